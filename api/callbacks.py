"""Which callback_url is taken: one that can be called, as far as that is known beforehand."""

from dataclasses import dataclass

from starlette.requests import Request

from api.faults import Fault
from api.problems import Invalid
from schema.destinations import Allowance, DestinationError


@dataclass(frozen=True, slots=True)
class CallbackRules:
    """Whether callbacks are signed here, and which private hosts are open to them."""

    is_signed: bool
    allowance: Allowance

    def fault(self, url: str | None) -> Fault | None:
        """Return why a URL is not taken; None: it is, or there is none."""
        if url is None:
            return None
        if not self.is_signed:
            return Fault("/callback_url", "callbacks_need_secret")
        try:
            self.allowance.check(url)
        except DestinationError as error:
            return Fault("/callback_url", error.code)
        return None


def rules_of(request: Request) -> CallbackRules:
    """Return the rules of this API."""
    rules: CallbackRules = request.app.state.callback_rules
    return rules


def require_callable(request: Request, url: str | None) -> None:
    """Raise Invalid for a callback_url that is not taken."""
    fault = rules_of(request).fault(url)
    if fault is not None:
        raise Invalid([fault])
