"""All benchmarks by name."""

from tests.bench.measure import Scenario
from tests.bench.scenarios.answers import Four, Long, Single, Turns
from tests.bench.scenarios.busy import Busy
from tests.bench.scenarios.ceiling import Ceiling
from tests.bench.scenarios.echo import Echo
from tests.bench.scenarios.fairness import Fairness
from tests.bench.scenarios.fleet import Fleet
from tests.bench.scenarios.forty import Forty
from tests.bench.scenarios.guards import Guards, Rest
from tests.bench.scenarios.restart import Restart
from tests.bench.scenarios.schema import Schema
from tests.bench.scenarios.switches import Drafting, Prefix
from tests.bench.scenarios.tuned import Tuned
from tests.bench.scenarios.typing_ahead import TypingAhead

SCENARIOS: dict[str, type[Scenario]] = {
    scenario.name: scenario
    for scenario in (
        Single,
        Four,
        Turns,
        Long,
        Echo,
        Busy,
        TypingAhead,
        Fairness,
        Prefix,
        Restart,
        Forty,
        Schema,
        Ceiling,
        Drafting,
        Guards,
        Rest,
        Fleet,
        Tuned,
    )
}
"""In the order they are run."""
