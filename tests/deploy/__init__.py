"""deploy/: the setup on this machine, and the wheels of the boards under an emulator that knows their processors."""
