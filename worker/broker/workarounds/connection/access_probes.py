"""kafka-python offers no way to ask for access to a group or transactional id without joining or fencing.

Version: kafka-python 3.0.12
Symptom: Only joining a group and `init_transactions` reveal a missing ACL. The first starts a rebalance, the second
    fences the running producer with the same id, and a group without members reports no permissions.
Workaround: Send a heartbeat of a member, and the end of a transaction of a producer id, that cannot exist. Kafka checks
    the ACLs first, then refuses the request, and changes nothing.
Shown by: test_kafka_python_fences_the_owner_by_the_only_public_way_to_ask
"""

from typing import Any

from kafka.errors import BrokerResponseError, for_code
from kafka.protocol.consumer import HeartbeatRequest
from kafka.protocol.metadata import CoordinatorType
from kafka.protocol.producer import EndTxnRequest

_NO_PRODUCER_ID = 2**62  # Kafka assigns producer ids upwards from 0
_NO_MEMBER, _NO_GENERATION = "stripwatch-check", 2**31 - 1


def group_error(admin: Any, group_id: str) -> type[BrokerResponseError]:
    """Return Kafka's error for a heartbeat in this group; UnknownMemberIdError means access. Raises KafkaError.

    admin: a KafkaAdminClient.
    """
    request = HeartbeatRequest(
        group_id=group_id, generation_id=_NO_GENERATION, member_id=_NO_MEMBER, group_instance_id=None
    )
    return _ask_coordinator(admin, group_id, CoordinatorType.GROUP, request)


def transaction_error(admin: Any, transactional_id: str) -> type[BrokerResponseError]:
    """Return Kafka's error for the end of a transaction with this id; InvalidProducerIdMappingError means access.

    admin: a KafkaAdminClient. Raises KafkaError.
    """
    request = EndTxnRequest(
        transactional_id=transactional_id,
        producer_id=_NO_PRODUCER_ID,
        producer_epoch=0,
        committed=False,
        max_version=4,
    )
    return _ask_coordinator(admin, transactional_id, CoordinatorType.TRANSACTION, request)


def _ask_coordinator(admin: Any, key: str, kind: CoordinatorType, request: Any) -> type[BrokerResponseError]:
    async def ask() -> Any:
        coordinator = await admin._find_coordinator_id(key, key_type=kind)
        return await admin._manager.send(request, node_id=coordinator)

    error: type[BrokerResponseError] = for_code(admin._manager.run(ask).error_code)
    return error
