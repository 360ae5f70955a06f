"""What the bootstrap dictionary learns tools from: code, listings and errors of our own.

Never changed once a dictionary was made of them: a new dictionary gets new texts and a new number.
"""

LISTINGS = (
    (
        "total {number}\ndrwxr-xr-x  {few} root root  4096 May {few} {time} .\n"
        "drwxr-xr-x  {few} root root  4096 May {few} {time} ..\n"
        "-rw-r--r--  1 root root  {number} May {few} {time} {file}\n"
        "-rw-r--r--  1 root root  {number} May {few} {time} README.md\n"
        "-rwxr-xr-x  1 root root  {number} May {few} {time} run.sh\n"
    ),
    "README.md\nLICENSE\nsetup.py\nrequirements.txt\nsrc/\ntests/\ndocs/\n{file}\n",
    (
        "{date} {time}:{few}0,{number} INFO [main] {name}: started in {number} ms\n"
        "{date} {time}:{few}1,{number} WARNING [worker-{few}] {name}: took {number} ms, retrying\n"
        "{date} {time}:{few}2,{number} ERROR [worker-{few}] {name}: connection refused\n"
    ),
    (
        '{date}T{time}:00.{number}Z level=info msg="request completed" method=GET '
        "path=/api/v1/{name} "
        "status=200 duration={few}ms\n"
        '{date}T{time}:01.{number}Z level=error msg="request failed" method=POST '
        "path=/api/v1/{name} "
        "status=500 duration={few}ms\n"
    ),
    (
        '127.0.0.1 - - [{date}:{time}:00 +0000] "GET /{name} HTTP/1.1" 200 {number} "-" '
        '"Mozilla/5.0 (X11; Linux x86_64)"\n'
    ),
    '  File "/srv/project/src/{file}", line {number}, in {name}\n    return self.{name}()\n',
    (
        'Traceback (most recent call last):\n  File "{file}", line {few}, in <module>\n    main()\n'
        '  File "/usr/lib/python3.11/{file}", line {number}, in {name}\n    raise ValueError(\n'
        "ValueError: invalid literal for int() with base 10: '{name}'\n"
    ),
    "ModuleNotFoundError: No module named '{name}'\n",
    "TypeError: {name}() missing 1 required positional argument: 'self'\n",
    "AttributeError: 'NoneType' object has no attribute '{name}'\n",
    "bash: {name}: command not found\n",
    "ls: cannot access '{file}': No such file or directory\n",
    (
        "============================= test session starts ==============================\n"
        "platform linux -- Python 3.11, pytest-8.0, pluggy-1.4\nrootdir: /srv/project\n"
        "collected {few} items\n\ntests/test_{name}.py ..F.                                       "
        "               [100%]\n\n=================================== FAILURES "
        "===================================\n"
    ),
    (
        "FAILED tests/test_{name}.py::test_{name} - AssertionError: assert {few} == {number}\n"
        "========================= {few} failed, {number} passed in {few}.{number}s "
        "=========================\n"
    ),
    (
        "Collecting {name}\n  Downloading {name}-{few}.{few}.0-py3-none-any.whl ({number} kB)\n"
        "Requirement already satisfied: {name} in /usr/lib/python3/dist-packages (from {name})\n"
        "Installing collected packages: {name}\nSuccessfully installed {name}-{few}.{few}.0\n"
    ),
    (
        "On branch main\nYour branch is up to date with 'origin/main'.\n\nChanges not staged for "
        'commit:\n  (use "git add <file>..." to update what will be committed)\n\tmodified:   '
        'src/{file}\n\nno changes added to commit (use "git add" and/or "git commit -a")\n'
    ),
    (
        "diff --git a/src/{file} b/src/{file}\nindex 1a2b3c4..5d6e7f8 100644\n--- a/src/{file}\n"
        "+++ b/src/{file}\n@@ -{few},7 +{few},7 @@ def {name}(self):\n"
    ),
    "{few}  def {name}(value):\n{few}      return value\n",
    (
        "src/{file}:{number}:    def {name}(self):\ntests/test_{name}.py:{few}:from src import "
        "{name}\n"
    ),
    (
        "HTTP/1.1 200 OK\nContent-Type: application/json; charset=utf-8\nContent-Length: {number}\n"
        "Connection: keep-alive\nDate: Mon, 04 May 2026 {time}:00 GMT\n"
    ),
    (
        "src/{file}:{number}:{few}: E501 line too long ({number} > 100 characters)\n"
        "src/{file}:{number}:{few}: F401 '{name}' imported but unused\n"
    ),
    "\n",
    "[{few}/{few}] Building {name}... done in {few}.{few} s\nwarning: unused variable: `{name}`\n",
)
CODE = (
    (
        "#!/usr/bin/env python3\nimport argparse\nimport json\nimport os\nimport re\nimport sys\n"
        "from collections import defaultdict\nfrom datetime import datetime, timedelta\n"
        "from pathlib import Path\nfrom typing import Any, Dict, List, Optional\n\n"
        "import numpy as np\nimport pandas as pd\nimport requests\n\n\n"
    ),
    (
        'class {Name}(object):\n    """A {name} that holds its values."""\n\n'
        "    def __init__(self, name, value=None, **kwargs):\n        super().__init__(**kwargs)\n"
        "        self.name = name\n        self.value = value\n\n    def __repr__(self):\n"
        '        return f"<{self.__class__.__name__} {self.name!r}>"\n\n'
        "    @property\n    def size(self) -> int:\n        return len(self.value)\n\n"
    ),
    (
        "def {name}(self, items: list[str], *, limit: int = {few}) -> dict[str, int]:\n"
        "    counts = {}\n    for index, item in enumerate(items):\n        if item is None:\n"
        "            continue\n        if item not in counts:\n            counts[item] = 0\n"
        "        counts[item] += 1\n    return {key: value for key, value in counts.items() "
        "if value >= limit}\n\n"
    ),
    (
        '    try:\n        with open(path, "r", encoding="utf-8") as f:\n'
        "            data = json.load(f)\n    except FileNotFoundError as error:\n"
        '        raise ValueError(f"no such file: {path}") from error\n    else:\n'
        '        return data["{name}"]\n    finally:\n        print("done")\n\n'
    ),
    (
        "    response = requests.get(url, headers=headers, params=params, timeout={few}0)\n"
        "    response.raise_for_status()\n    return response.json()\n\n"
    ),
    (
        "    parser = argparse.ArgumentParser(description=__doc__)\n"
        '    parser.add_argument("--{name}", type=int, default={few}, help="the number of items")\n'
        '    args = parser.parse_args()\n\n\nif __name__ == "__main__":\n    main()\n'
    ),
    (
        "import unittest\n\n\nclass Test{Name}(unittest.TestCase):\n    def setUp(self):\n"
        "        self.{name} = {Name}()\n\n    def test_{name}(self):\n"
        "        self.assertEqual(self.{name}.size, {few})\n"
        "        self.assertTrue(isinstance(result, list))\n"
    ),
    (
        "const express = require('express');\nconst app = express();\n\napp.get('/{name}', "
        "async (req, "
        "res) => {\n  const result = await db.query('SELECT * FROM {name} WHERE id = ?', "
        "[req.params.id]);\n  res.json({ status: 'ok', data: result });\n});\n"
    ),
    (
        "function {name}(value) {\n  if (value === undefined || value === null) {\n    "
        "return null;\n"
        "  }\n  for (let i = 0; i < value.length; i++) {\n    console.log(value[i]);\n  }\n"
        "  return value.map((item) => item.name).filter(Boolean);\n}\n"
    ),
    (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n  <meta charset="utf-8">\n'
        '  <title>{Name}</title>\n  <link rel="stylesheet" href="/static/style.css">\n'
        '  <script type="text/javascript" src="/static/{name}.js"></script>\n</head>\n<body>\n'
        '  <div class="container">\n    <a href="https://www.example.com/{name}">{name}</a>\n'
        "  </div>\n</body>\n</html>\n"
    ),
    (
        "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\nint main(int argc, char "
        "*argv[]) {\n    char buffer[{number}];\n    for (int i = 0; i < argc; i++) {\n"
        '        printf("%s\\n", argv[i]);\n    }\n    return 0;\n}\n'
    ),
    (
        "SELECT {name}.id, {name}.name, COUNT(*) AS total FROM {name} LEFT JOIN users ON "
        "users.id = "
        "{name}.user_id WHERE created_at > '{date}' GROUP BY {name}.id ORDER BY total DESC LIMIT "
        "{few};\n"
    ),
    (
        "version: '3'\nservices:\n  {name}:\n    image: {name}:latest\n    ports:\n"
        '      - "8000:8000"\n    environment:\n      - DEBUG=false\n'
    ),
)
COMMANDS = (
    "```\nls -la\n```",
    "```\ncat {file}\n```",
    "```bash\npython3 {file}\n```",
    '```\ncd src && grep -rn "{name}" .\n```',
    "```\npip install {name}\n```",
    "```\npython -m pytest tests/test_{name}.py -v\n```",
    "```\nsed -n '{few},{number}p' src/{file}\n```",
    '```\ngit diff && git add -A && git commit -m "Fix {name}"\n```',
    '```\nfind . -name "*.py" | xargs grep -l {name}\n```',
    "```\necho 'hello' > {file}\n```",
    "```\ncurl -s http://localhost:8000/{name} | head -n {few}0\n```",
)
NAMES = (
    *("parse", "get_value", "result", "config", "read_file", "update", "process_data", "client"),
    *("session", "handler", "utils", "create_user", "check", "server", "database", "to_dict"),
    *("encode", "decode", "main", "validate", "serialize", "get_items", "load", "run_tests"),
)
FILES = (
    *("main.py", "utils.py", "app.py", "models.py", "config.json", "data.csv", "index.html"),
    *("test_app.py", "server.js", "script.sh", "solve.py", "fields.py", "output.txt", "notes.md"),
)
CALLS = (
    ("get_user", ("user_id",)),
    ("get_order", ("order_id",)),
    ("find_orders", ("user_id", "status", "date")),
    ("search_products", ("query", "limit")),
    ("update_order", ("order_id", "items", "payment_id")),
    ("cancel_order", ("order_id", "reason")),
    ("send_email", ("email", "subject", "body")),
    ("get_weather", ("city", "date")),
    ("read_file", ("path", "start_line", "end_line")),
    ("write_file", ("path", "content")),
    ("run_command", ("command", "timeout")),
    ("search_web", ("query",)),
    ("create_event", ("title", "date", "start_time", "end_time")),
    ("edit_file", ("path", "start_line", "end_line", "new_text")),
    ("list_issues", ("repository", "status", "limit")),
    ("query_database", ("sql", "limit")),
)
