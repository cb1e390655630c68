"""What can be wrong with a rule set, or with what it is asked to evaluate.

All are VerificationErrors: whoever recomputes a published ranking meets them as a refusal, not a crash.
"""

from crypto.errors import VerificationError


class EvaluationError(VerificationError):
    """Rules and inputs do not fit together."""

    code = "evaluation-invalid"


class RulesError(EvaluationError):
    """The parameters of a rule set contradict each other, so it cannot be published."""

    code = "rules-invalid"


class OfferError(EvaluationError):
    """A bid holds no price or picks that the rule set can read."""

    code = "offer-invalid"


class ScoresError(EvaluationError):
    """A score sheet misses a score, names one twice or leaves the criterion's points."""

    code = "scores-invalid"


class ReservePricesError(EvaluationError):
    """Revealed preliminary prices are not those that the notice committed to."""

    code = "reserve-prices-invalid"


class TenderError(VerificationError):
    """A step that a tender's notice or its history does not admit. `code` says which rule was broken."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ClockError(VerificationError):
    """A statement whose time is not now: the clocks differ, or it comes too late."""

    code = "time-wrong"


class SafeError(VerificationError):
    """A file or a back-up that its passphrase does not open, or that is none."""

    code = "safe-closed"


class FolderError(VerificationError):
    """A bid's folder in which this step is not due. The message says what is."""

    code = "folder-unfit"


class RecordError(VerificationError):
    """An award record that does not hold, or bytes that are none."""

    code = "record-invalid"
