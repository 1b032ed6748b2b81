"""Every error this room raises, as one tree, and how each is told over HTTP.

ServingError
├── ListenError           the server cannot listen where it was told to
│   └── PortTakenError        another program listens there
└── RequestError          a request cannot be answered: carries its HTTP status and a code for programs
    ├── UnknownDealError      404
    ├── UnknownReportError    404
    ├── DealOpenError         409
    ├── UnknownNoteError      404
    ├── InvalidRequestError   422: carries each problem and where it lies
    ├── TooLargeError         413
    ├── NotJsonError          415
    ├── UnavailableError      503
    └── NoReasonModelError    503
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from serving.answers import Detail, ErrorAnswer, ErrorBody


class ServingError(Exception):
    """Any error of the server; its text is fit to be shown to the user as it stands."""


class ListenError(ServingError):
    """The server cannot listen where it was told to: not a loopback address, or the port is taken."""


class PortTakenError(ListenError):
    """Another program listens on the port."""


class RequestError(ServingError):
    """A request that cannot be answered.

    Attributes:
        status: HTTP status.
        code: Short name of the error, for programs.
        details: What exactly is wrong, and where.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"

    def __init__(self, message: str, details: Sequence[Detail] = ()) -> None:
        self.details = tuple(details)
        super().__init__(message)

    def answer(self) -> ErrorAnswer:
        """The body of the answer."""
        return error_answer(self.code, str(self), self.details)


class UnknownDealError(RequestError):
    """A deal that the store does not hold."""

    status, code = 404, "unknown_deal"


class UnknownReportError(RequestError):
    """A version that the registry does not hold, or that has no report."""

    status, code = 404, "unknown_report"


class DealOpenError(RequestError):
    """What was asked is told of closed deals only, and the deal is open."""

    status, code = 409, "deal_open"


class UnknownNoteError(RequestError):
    """A note that the store does not hold."""

    status, code = 404, "unknown_note"


class InvalidRequestError(RequestError):
    """Parameters or a body that do not fit."""

    status, code = 422, "invalid_request"


class TooLargeError(RequestError):
    """A body or a list that is larger than this server takes."""

    status, code = 413, "too_large"


class NotJsonError(RequestError):
    """A body that does not say it is JSON."""

    status, code = 415, "not_json"


class UnavailableError(RequestError):
    """Something that the answer needs cannot be reached now."""

    status, code = 503, "unavailable"


class NoReasonModelError(RequestError):
    """No model of reasons serves."""

    status, code = 503, "no_reason_model"


def error_answer(code: str, message: str, details: Sequence[Detail] = ()) -> ErrorAnswer:
    """The one shape of every error."""
    return ErrorAnswer(error=ErrorBody(code=code, message=message, details=list(details) or None))
