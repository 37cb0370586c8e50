"""Who may ask for what: bearer tokens, each with a role; without any, this machine alone.

Each route says by its class which roles it serves, and refuses others before it reads a body.
"""

import hashlib
import hmac
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from api.bodies import WIDE_BODY_BYTES, JsonRoute
from api.documentation import problems
from api.locality import foreign_trait, network
from api.problems import Problem
from api.rates import Rates
from schema.runtime.redis_link import RedisLink
from schema.runtime.settings import Rate
from schema.states import MOVES, Actor, Verb

CLIENTS = frozenset({Actor.CLIENT, Actor.OPERATOR})
"""Who may do what clients do."""

OPERATORS = frozenset({Actor.OPERATOR})

WORKERS = frozenset({Actor.WORKER})
"""Those that work over HTTP."""

CHALLENGE = 'Bearer realm="rowlease"'


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sent a request: a role, None for this machine, which may do everything.

    `id` tells tokens apart without giving them away; up to 64 characters.
    """

    role: Actor | None
    id: str

    def require(self, roles: Collection[Actor]) -> None:
        """Raise Problem (403) for who has none of these roles."""
        if self.role is not None and self.role not in roles:
            values = {"role": self.role, "roles": ", ".join(sorted(roles))}
            headers = {"www-authenticate": f'{CHALLENGE}, error="insufficient_scope"'}
            raise Problem(403, "role_forbids", values=values, headers=headers)

    def acting(self, verb: Verb) -> str:
        """Return who does a verb, as the task's events name them."""
        return str(self.role or MOVES[verb].by)


THIS_MACHINE = Principal(None, "local")


class Access:
    """Knows the tokens, and counts how often each is used from each address."""

    def __init__(
        self, tokens: Mapping[str, Actor], origins: Collection[str] = (), rate: Rate | None = None
    ) -> None:
        self._known = [(_digest(token.encode()), role) for token, role in tokens.items()]
        self._principals = [Principal(role, digest.hex()[:32]) for digest, role in self._known]
        self._origins = frozenset(origins)
        self._rates = None if rate is None else Rates(rate)

    def share(self, link: RedisLink) -> None:
        """Count together with the other processes of this Redis."""
        if self._rates is not None:
            self._rates.share(link)

    async def admit(self, scope: Scope, roles: Collection[Actor]) -> Principal:
        """Return who sent a request; raises Problem (401, 403, 429) when it is not served.

        Who has been refused too often is not let in with a good token either: that would tell
        which one it is.
        """
        if self._rates is None:
            principal = self._identify(scope)
        else:
            principal = await self._count(scope, self._rates)
        principal.require(roles)
        return principal

    async def _count(self, scope: Scope, rates: Rates) -> Principal:
        address = network(scope["client"][0] if scope.get("client") else "")
        try:
            principal = self._identify(scope)
        except Problem:
            await rates.take(address, address)
            raise
        await rates.take(address, f"{principal.id} {address}")
        return principal

    def _identify(self, scope: Scope) -> Principal:
        if not self._known:
            trait = foreign_trait(scope, self._origins)
            if trait is not None:
                raise Problem(403, "tokens_not_set", values={"trait": trait})
            return THIS_MACHINE
        token = _token(scope)
        if token is None:
            raise Problem(401, "token_missing", headers={"www-authenticate": CHALLENGE})
        given, found = _digest(token), None
        for (digest, _), principal in zip(self._known, self._principals, strict=True):
            if hmac.compare_digest(digest, given):
                found = principal
        if found is None:
            headers = {"www-authenticate": f'{CHALLENGE}, error="invalid_token"'}
            raise Problem(401, "token_unknown", headers=headers)
        return found


class GuardedRoute(JsonRoute):
    """A route that serves some roles."""

    roles: frozenset[Actor]

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        methods = options.get("methods") or ()
        told = problems(401, 403, 429)
        if {"POST", "PATCH"} & set(methods):
            told |= problems(408)
        if "POST" in methods:
            told |= problems(400, 409, 413, 415, 422)
        options["responses"] = told | (options.get("responses") or {})
        super().__init__(path, endpoint, **options)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, if its sender may send it."""
        access: Access = scope["app"].state.access
        scope["principal"] = await access.admit(scope, self.roles)
        await super().handle(scope, receive, send)


class ClientRoute(GuardedRoute):
    """A route that serves clients, and operators."""

    roles = CLIENTS


class OperatorRoute(GuardedRoute):
    """A route that serves operators alone."""

    roles = OPERATORS


class WorkerRoute(GuardedRoute):
    """A route that serves workers that work over HTTP; their bodies may be large.

    Fences make what they send safe to repeat: an Idempotency-Key is not looked at.
    """

    roles = WORKERS
    takes_keys = False
    body_bytes = WIDE_BODY_BYTES


class OpenRoute(JsonRoute):
    """A route that serves everybody."""


def require_declared(routes: Sequence[BaseRoute]) -> None:
    """Raise TypeError where a route does not say whom it serves."""
    for route in routes:
        if not isinstance(route, GuardedRoute | OpenRoute):
            raise TypeError(f"{route} must say whom it serves: see api.access")


async def _principal(request: Request) -> Principal:
    principal: Principal = request.scope["principal"]
    return principal


PrincipalDependency = Annotated[Principal, Depends(_principal)]


def _token(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            return token.strip() if scheme.lower() == b"bearer" else None
    return None


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
