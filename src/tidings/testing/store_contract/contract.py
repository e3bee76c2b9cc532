"""The whole suite: every topic on one database."""

from tidings.testing.store_contract.accept import AcceptContract
from tidings.testing.store_contract.called_off import CalledOffContract
from tidings.testing.store_contract.cancelling import CancellingContract
from tidings.testing.store_contract.claim import ClaimContract, LapseContract
from tidings.testing.store_contract.confirming import ConfirmingContract
from tidings.testing.store_contract.dead_letters import DeadLetterContract
from tidings.testing.store_contract.durability import DurabilityContract
from tidings.testing.store_contract.expire import ExpireContract
from tidings.testing.store_contract.failing_plans import FailingPlanContract
from tidings.testing.store_contract.give_back import GiveBackContract
from tidings.testing.store_contract.idempotency import IdempotencyContract
from tidings.testing.store_contract.late_yes import LateYesContract
from tidings.testing.store_contract.long_retention import LongRetentionContract
from tidings.testing.store_contract.migrations import MigrationContract
from tidings.testing.store_contract.once import OnceContract
from tidings.testing.store_contract.outbox import OutboxContract
from tidings.testing.store_contract.parallel import ParallelContract
from tidings.testing.store_contract.pauses import PauseContract
from tidings.testing.store_contract.plan import PlanContract
from tidings.testing.store_contract.reread import RereadContract
from tidings.testing.store_contract.resume import ResumeContract
from tidings.testing.store_contract.retention import RetentionContract
from tidings.testing.store_contract.route import RouteContract
from tidings.testing.store_contract.run import RunContract
from tidings.testing.store_contract.same_event import SameEventContract
from tidings.testing.store_contract.settle import FenceContract, FoldContract, SettleContract
from tidings.testing.store_contract.suppressing import SuppressingContract
from tidings.testing.store_contract.take_back import TakeBackContract


class StoreContract(
    AcceptContract,
    SameEventContract,
    IdempotencyContract,
    PlanContract,
    OnceContract,
    FailingPlanContract,
    ResumeContract,
    ClaimContract,
    LapseContract,
    RouteContract,
    ExpireContract,
    TakeBackContract,
    GiveBackContract,
    SettleContract,
    RereadContract,
    CalledOffContract,
    CancellingContract,
    ConfirmingContract,
    FenceContract,
    LateYesContract,
    FoldContract,
    SuppressingContract,
    ParallelContract,
    RunContract,
    DurabilityContract,
    MigrationContract,
    OutboxContract,
    LongRetentionContract,
    RetentionContract,
    DeadLetterContract,
    PauseContract,
):
    """What every store must do."""
