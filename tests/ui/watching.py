"""What a browser complains of while a test uses it."""

from playwright.sync_api import ConsoleMessage, Page

REPORT = """addEventListener("securitypolicyviolation", (event) => console.error(
    `policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));"""


class Watch:
    """Collects errors of consoles and scripts, and reports of the Content-Security-Policy.

    `expected`: parts of the errors that a test brings about.
    """

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.expected: tuple[str, ...] = ()

    def follow(self, page: Page) -> None:
        """Listen to a page."""
        page.add_init_script(REPORT)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(
            part in message.text for part in self.expected
        ):
            self.complaints.append(f"{message.type}: {message.text}")
