"""The switch over everything that is claimed, as a form."""

from starlette.requests import Request
from starlette.responses import Response

from api.access import OPERATORS
from api.dispatcher import Switch, start_dispatcher, stop_dispatcher
from api.ui.forms import checked, read_form
from api.ui.pages import HEADERS, PageRoute, database_of, message, render, text
from api.ui.words import english
from schema import dispatcher

TURNS = {"start": start_dispatcher, "stop": stop_dispatcher}
DONE = {
    "start": english("The dispatcher runs."),
    "stop": english("The dispatcher is stopped."),
}


async def dispatcher_form(request: Request) -> Response:
    """Tell whether it runs, and ask why it is to change."""
    state = await database_of(request).read(dispatcher.state)
    return render(request, "dispatcher_form.html", {"state": state})


async def switch_dispatcher(request: Request) -> Response:
    """Start or stop it."""
    form = await read_form(request)
    switch = checked(Switch, {"reason": form.one("reason") or None})
    to = "start" if form.one("to") == "start" else "stop"
    await TURNS[to](database_of(request), switch)
    told = message(text(request, DONE[to]), changed={})
    return Response(None, 204, HEADERS | told)


ROUTES = [
    PageRoute("/ui/dispatcher", dispatcher_form, roles=OPERATORS),
    PageRoute("/ui/dispatcher", switch_dispatcher, roles=OPERATORS, methods=("POST",)),
]
