import subprocess
import sys


def test_the_soft_limit_of_open_files_becomes_the_hard_one() -> None:
    code = (
        "import resource; from kfw.system.limits import raise_open_files;"
        "_, hard = resource.getrlimit(resource.RLIMIT_NOFILE);"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)); raise_open_files();"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
