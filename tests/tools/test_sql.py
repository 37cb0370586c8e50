from tools.up.sql import connect_words

MYSQL = ("/usr/bin/mysql",)


def test_a_url_becomes_the_client_s_options() -> None:
    words, environment = connect_words("mysql+pymysql://me:p%40ss@db.example/tasks", MYSQL)
    assert words == [
        "/usr/bin/mysql",
        "--host=db.example",
        "--port=3306",
        "--user=me",
        "--default-character-set=utf8mb4",
        "tasks",
    ]
    assert environment["MYSQL_PWD"] == "p@ss"


def test_the_private_server_is_reached_without_tls_and_password() -> None:
    words, environment = connect_words("mysql://root@127.0.0.1:3307/rowlease", ("mariadb",))
    assert words[-1:] == ["rowlease"]
    assert {"--port=3307", "--skip-ssl"} < set(words)
    assert "MYSQL_PWD" not in environment
