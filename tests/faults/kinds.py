"""All faults by name."""

from tests.faults.clock import JumpClock
from tests.faults.crowd import Crowd
from tests.faults.daemon_kill import KillDaemon
from tests.faults.disk_full import FullAtStart, FullDatabase, FullDownload
from tests.faults.engine_kill import KillEngine
from tests.faults.engine_stop import StopEngine
from tests.faults.fault import Fault
from tests.faults.fleet import Fleet
from tests.faults.fuzz_models import FuzzModels
from tests.faults.fuzz_wire import FuzzBodies, FuzzFrames
from tests.faults.hostile_templates import HostileTemplates
from tests.faults.idle_sockets import IdleSockets
from tests.faults.link import PullCable
from tests.faults.power_cut import CutPower
from tests.faults.resume import Resume
from tests.faults.sigterm import Terminate
from tests.faults.slow_loris import SlowLoris
from tests.faults.soak import Soak
from tests.faults.wear import Wear

FAULTS: dict[str, type[Fault]] = {
    fault.name: fault
    for fault in (
        KillEngine,
        StopEngine,
        Resume,
        KillDaemon,
        CutPower,
        FullDatabase,
        FullAtStart,
        FullDownload,
        JumpClock,
        Terminate,
        Crowd,
        Fleet,
        SlowLoris,
        PullCable,
        IdleSockets,
        FuzzFrames,
        FuzzBodies,
        FuzzModels,
        HostileTemplates,
        Wear,
        Soak,
    )
}
"""In the order they are done."""
