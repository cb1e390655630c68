"""Questions of businesses about a tender, and the officers' answers to all.

Who asks is nobody's business but the officers': a question is never published as it was signed, its answer
repeats what was asked. That there is a question, and whether it was answered, everybody sees in the log.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec

from crypto.certificates import Role
from crypto.encoding import Hex32, Identifier, Moment
from crypto.statements import Payload
from procurement.errors import TenderError

MOST = 500
"""Questions about one tender."""
MOST_EACH = 20
"""Questions of one business about one tender."""

Words = Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]


class Enquiry(Payload, frozen=True, kw_only=True):
    """A business asks. Its id gets into the log: without the random `salt` the question could be guessed."""

    PURPOSE: ClassVar[str] = "enquiry"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.BUSINESS,)

    tender: Identifier
    notice: Hex32
    question: Words
    salt: Hex32
    time: Moment


class Answer(Payload, frozen=True, kw_only=True):
    """An officer's answer, for everybody: `question` is what was asked, without what would tell who did."""

    PURPOSE: ClassVar[str] = "answer"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    tender: Identifier
    notice: Hex32
    enquiry: Hex32
    question: Words
    answer: Words
    time: Moment


def check_answer(answer: Answer, asked: Sequence[str]) -> None:
    """It answers one of the enquiries with these ids. Raises TenderError."""
    if answer.enquiry not in asked:
        raise TenderError("no-such-enquiry", "nobody asked this")
