"""Who may ask for what: bearer tokens, each with a role; without any, this machine alone.

A browser's session stands for the token that it was begun with (`api.sessions`). Each route says
by its class which roles it serves, and refuses others before it reads a body.
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

from api import sessions
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

    def may(self, roles: Collection[Actor]) -> bool:
        """Whether it has one of these roles."""
        return self.role is None or self.role in roles

    def require(self, roles: Collection[Actor]) -> None:
        """Raise Problem (403) for who has none of these roles."""
        if not self.may(roles):
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
        keys = [sessions.key_of(token) for token in tokens]
        self._sessions = {
            principal.id: (principal, key)
            for principal, key in zip(self._principals, keys, strict=True)
        }
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
        principal = await self._count(scope, _token(scope))
        principal.require(roles)
        return principal

    async def begin_session(self, scope: Scope, token: str) -> str:
        """Return the cookie of a new session; raises Problem as `admit` does.

        Workers have no pages, and without tokens there is nothing to begin.
        """
        principal = await self._count(scope, token.encode())
        principal.require(CLIENTS)
        _, key = self._sessions.get(principal.id, (principal, sessions.NO_SESSION))
        return sessions.seal(key, principal.id)

    def page_token(self, scope: Scope) -> str:
        """Return the word by which pages show that they sent what they send."""
        cookie = sessions.cookie_of(scope)
        _, key = self._sessions.get(cookie.partition(".")[0], (None, sessions.NO_SESSION))
        return sessions.page_token(key, cookie if key else "")

    async def _count(self, scope: Scope, token: bytes | None) -> Principal:
        rates = self._rates
        if rates is None:
            return self._identify(scope, token)
        address = network(scope["client"][0] if scope.get("client") else "")
        try:
            principal = self._identify(scope, token)
        except Problem:
            await rates.take(address, address)
            raise
        await rates.take(address, f"{principal.id} {address}")
        return principal

    def _identify(self, scope: Scope, token: bytes | None) -> Principal:
        if not self._known:
            trait = foreign_trait(scope, self._origins)
            if trait is not None:
                raise Problem(403, "tokens_not_set", values={"trait": trait})
            return THIS_MACHINE
        if token is None:
            return self._in_session(scope)
        given, found = _digest(token), None
        for (digest, _), principal in zip(self._known, self._principals, strict=True):
            if hmac.compare_digest(digest, given):
                found = principal
        if found is None:
            headers = {"www-authenticate": f'{CHALLENGE}, error="invalid_token"'}
            raise Problem(401, "token_unknown", headers=headers)
        return found

    def _in_session(self, scope: Scope) -> Principal:
        cookie = sessions.cookie_of(scope)
        principal, key = self._sessions.get(cookie.partition(".")[0], (None, sessions.NO_SESSION))
        if principal is None or not sessions.is_live(key, cookie):
            raise Problem(401, "token_missing", headers={"www-authenticate": CHALLENGE})
        sessions.require_own_page(scope, sessions.page_token(key, cookie))
        return principal


def roles_for(verb: Verb) -> frozenset[Actor]:
    """Return who may do a verb."""
    return CLIENTS if MOVES[verb].by is Actor.CLIENT else OPERATORS


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


class SharedRoute(GuardedRoute):
    """A route that serves clients, operators, and workers that work over HTTP."""

    roles = CLIENTS | WORKERS


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
