"""What real login plugins say, and what is told of it."""

import pytest

from kfw.kube.plugin_output import asks_a_person, cause, lines_of, request

#: What a plugin printed on stderr when it failed, and what a user is told.
FAILURES = {
    "aws sso": (
        "\nThe SSO session associated with this profile has expired or is otherwise invalid. To refresh this SSO session "
        "run aws sso login with the corresponding profile.\n",
        "The SSO session associated with this profile has expired or is otherwise invalid. To refresh this SSO session "
        "run aws sso login with the corresponding profile.",
    ),
    "aws without a profile": (
        "\nThe config profile (production) could not be found\n",
        "The config profile (production) could not be found",
    ),
    "gcloud": (
        "ERROR: (gcloud.config.config-helper) There was a problem refreshing your current auth tokens: Reauthentication "
        "failed. cannot prompt during non-interactive execution.\nPlease run:\n\n  $ gcloud auth login\n\n"
        "to obtain new credentials.\n\nIf you have already logged in with a different account, run:\n\n"
        "  $ gcloud config set account ACCOUNT\n\nto select an already authenticated account to use.\n",
        "ERROR: (gcloud.config.config-helper) There was a problem refreshing your current auth tokens: Reauthentication "
        "failed. cannot prompt during non-interactive execution.; Please run: $ gcloud auth login",
    ),
    "gke-gcloud-auth-plugin": (
        "F1121 10:00:00.000000   12345 cred.go:145] print credential failed with error: Failed to retrieve access "
        "token:: failure while executing gcloud, with args [config config-helper --format=json]: exit status 1 (err: "
        "ERROR: (gcloud.config.config-helper) You do not currently have an active account selected.\nPlease run:\n\n"
        "  $ gcloud auth login\n\nto obtain new credentials.\n)\n",
        "print credential failed with error: Failed to retrieve access token:: failure while executing gcloud, with "
        "args [config config-helper --format=json]: exit status 1 (err: ERROR: (gcloud.config.config-helper) You do "
        "not currently have an active account selected.; Please run: $ gcloud auth login",
    ),
    "az": (
        "WARNING: You have 2 updates available. Consider updating your CLI installation with 'az upgrade'\n"
        "ERROR: AADSTS700082: The refresh token has expired due to inactivity. Trace ID: 1b2c\nInteractive "
        "authentication is needed.\nTo re-authenticate, please run:\naz login\n",
        "ERROR: AADSTS700082: The refresh token has expired due to inactivity. Trace ID: 1b2c; To re-authenticate, "
        "please run: az login",
    ),
    "kubelogin of Azure": (
        "E1121 07:39:50.484455   31327 get_token.go:22] failed to get token: AzureCLICredential: ERROR: Please run "
        "'az login' to setup account.\n",
        "failed to get token: AzureCLICredential: ERROR: Please run 'az login' to setup account.",
    ),
    "kubelogin of OIDC": (
        "could not open the browser: exec: \"xdg-open\": executable file not found in $PATH\n\nPlease visit the "
        "following URL in your browser manually: http://localhost:8000/\nerror: get-token: authentication error: "
        "authcode-browser error: authentication error: authorization code flow error: oauth2 error: authorization "
        "error: context deadline exceeded\n",
        "error: get-token: authentication error: authcode-browser error: authentication error: authorization code flow "
        "error: oauth2 error: authorization error: context deadline exceeded",
    ),
    "tsh": (
        "\x1b[31mERROR: \x1b[0mNot logged in. Please log in with \"tsh login\".\n",
        'ERROR: Not logged in. Please log in with "tsh login".',
    ),
    "doctl": (
        "Error: Unable to initialize DigitalOcean API client: access token is required. (hint: run 'doctl auth init')\n",
        "Error: Unable to initialize DigitalOcean API client: access token is required. (hint: run 'doctl auth init')",
    ),
    "a Python traceback": (
        'Traceback (most recent call last):\n  File "/usr/bin/login", line 8, in <module>\n    sys.exit(main())\n'
        '  File "/usr/lib/login/main.py", line 41, in main\n    raise SessionExpired("log in again")\n'
        "login.errors.SessionExpired: the session of ada has ended: log in again\n",
        "login.errors.SessionExpired: the session of ada has ended: log in again",
    ),
    "a Python traceback of two": (
        "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\nKeyError: 'token'\n\nDuring handling "
        "of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n"
        '  File "a.py", line 3, in <module>\n    raise ConfigError("no such profile") from None\n'
        "ConfigError: no such profile\nsession file: /home/ada/.login\n",
        "ConfigError: no such profile",
    ),
    "a Go panic": (
        "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation "
        "violation code=0x1 addr=0x0 pc=0x4a]\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:12 +0x1d\n"
        "exit status 2\n",
        "panic: runtime error: invalid memory address or nil pointer dereference",
    ),
    "cobra's usage": (
        "Error: unknown flag: --issuer\nUsage:\n  login get-token [flags]\n\nFlags:\n  -h, --help   help for get-token\n"
        "      --token-file string   required where there is no session\n",
        "Error: unknown flag: --issuer",
    ),
    "node": (
        '/usr/lib/node_modules/login/index.js:10\n    throw new Error("no session")\n    ^\n\nError: no session\n'
        "    at Object.<anonymous> (/usr/lib/node_modules/login/index.js:10:11)\n    at Module._compile "
        "(node:internal/modules/cjs/loader:1364:14)\n\nNode.js v20.11.0\n",
        "Error: no session",
    ),
    "Java": (
        'Exception in thread "main" java.lang.IllegalStateException: the session is closed\n'
        "\tat com.example.Login.main(Login.java:12)\n",
        'Exception in thread "main" java.lang.IllegalStateException: the session is closed',
    ),
    "a shell": ("/usr/bin/login: line 3: jq: command not found\n", "/usr/bin/login: line 3: jq: command not found"),
    "nothing that is understood": ("one\ntwo\nthree\nfour\n", "two; three; four"),
    "nothing": ("\n \n", ""),
}  # fmt: skip


@pytest.mark.parametrize(("said", "told"), FAILURES.values(), ids=FAILURES)
def test_the_cause_is_told_and_not_the_last_lines(said: str, told: str) -> None:
    assert cause(lines_of(said.encode())) == told


#: What a plugin says while it waits for a person, and what of it must be readable.
REQUESTS = {
    "az": (
        "To sign in, use a web browser to open the page https://microsoft.com/devicelogin and enter the code ABCD12345 "
        "to authenticate.\n",
        ("https://microsoft.com/devicelogin", "ABCD12345"),
    ),
    "aws sso": (
        "Attempting to automatically open the SSO authorization page in your default browser.\nIf the browser does not "
        "open or you wish to use a different device to authorize this request, open the following URL:\n\n"
        "https://device.sso.eu-central-1.amazonaws.com/\n\nThen enter the code:\n\nABCD-EFGH\n",
        ("https://device.sso.eu-central-1.amazonaws.com/", "ABCD-EFGH"),
    ),
    "kubelogin": (
        "error: could not open the browser: exec: \"xdg-open,x-www-browser,www-browser\": executable file not found in "
        "$PATH\n\nPlease visit the following URL in your browser manually: http://localhost:8000/\n",
        ("http://localhost:8000/",),
    ),
    "kubelogin device code": (
        "Please visit the following URL in your browser: https://idp.example/activate?user_code=ABCD-EFGH\n",
        ("https://idp.example/activate?user_code=ABCD-EFGH",),
    ),
    "gcloud": (
        "Go to the following link in your browser, and complete the sign-in prompts:\n\n    https://accounts.google.com/"
        "o/oauth2/auth?response_type=code&client_id=32555940559.apps.googleusercontent.com&scope="
        + "openid+https%3A%2F%2Fwww.googleapis.com%2Fauth%2F" * 8 + "end\n",
        ("https://accounts.google.com/o/oauth2/auth?response_type=code", "end"),
    ),
    "tsh": (
        "If browser window does not open automatically, open it by clicking on the link:\n "
        "http://127.0.0.1:40311/8bd0\n",
        ("http://127.0.0.1:40311/8bd0",),
    ),
    "with colours and a spinner": (
        "\x1b[2K\r⠋ waiting\r⠙ waiting\n\x1b[1mOpen \x1b[4mhttps://login.example/device\x1b[0m and enter ABCD\n",
        ("Open https://login.example/device and enter ABCD",),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "readable"), REQUESTS.values(), ids=REQUESTS)
def test_what_a_person_has_to_do_is_seen(said: str, readable: tuple[str, ...]) -> None:
    lines = lines_of(said.encode())

    assert asks_a_person(lines)
    for part in readable:
        assert part in request(lines)


@pytest.mark.parametrize(
    "said",
    [
        "WARNING: version 2 is deprecated\n",
        "Loading config from /home/ada/.aws/config\n",
        "The SSO session associated with this profile has expired. To refresh it run aws sso login\n",
        "Error: Get \"https://idp.example/token\": dial tcp: lookup idp.example: no such host\n",
        "Refreshing the token ...\n",
    ],
)  # fmt: skip
def test_who_only_says_something_asks_nobody(said: str) -> None:
    assert not asks_a_person(lines_of(said.encode()))


@pytest.mark.parametrize("evil", ["\x1b]0;title\x07", "a\x00b", "a\x08\x08b", "a\u202eb", "\x9b2J", "\ud800"])
def test_nothing_that_moves_a_cursor_is_left(evil: str) -> None:
    [line] = lines_of(f"x{evil}y".encode(errors="surrogatepass"))

    assert line.isprintable()


@pytest.mark.parametrize(
    "said", [b"x" * 100_000, b"error: " + b"y" * 100_000, b"https://a/" + b"z" * 5_000, b"\xff" * 999]
)
def test_a_sentence_has_an_end(said: bytes) -> None:
    assert len(cause(lines_of(said))) <= 400
    assert len(request(lines_of(said))) <= 6_000
