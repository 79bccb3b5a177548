"""All faults. A plan refers to them by name."""

from tests.faults.kinds import brokers, connections, frames, model, topics, workers
from tests.faults.kinds.fault import Fault

FAULTS: dict[str, Fault] = {
    fault.name: fault for module in (workers, brokers, connections, topics, frames, model) for fault in module.FAULTS
}
