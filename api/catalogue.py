"""Everything the API says to a person, in English and in Chinese, by its code."""

from collections.abc import Mapping
from typing import Any

from api.languages import Language

Sentence = tuple[str, str]

TITLES: Mapping[int, Sentence] = {
    400: ("Bad request", "请求有误"),
    401: ("Unauthorized", "未通过身份验证"),
    403: ("Forbidden", "禁止访问"),
    404: ("Not found", "未找到"),
    405: ("Method not allowed", "不支持的请求方法"),
    408: ("Request timeout", "请求超时"),
    409: ("Conflict", "状态冲突"),
    412: ("Precondition failed", "前提条件不成立"),
    413: ("Content too large", "请求体过大"),
    415: ("Unsupported media type", "不支持的内容类型"),
    422: ("Unprocessable content", "请求内容无效"),
    429: ("Too many requests", "请求过于频繁"),
    500: ("Internal server error", "服务器内部错误"),
    416: ("Range not satisfiable", "请求的范围无效"),
    502: ("Bad gateway", "上游服务出错"),
    503: ("Service unavailable", "服务暂时不可用"),
}

DETAILS: Mapping[str, Sentence] = {
    "request_failed": ("The request was refused.", "请求被拒绝。"),
    "not_found": ("There is nothing at this address.", "此地址上没有任何内容。"),
    "token_missing": (
        "This needs a token, sent as Authorization: Bearer, then the token.",
        "需要令牌，请以 Authorization: Bearer 加令牌的形式发送。",
    ),
    "token_unknown": ("There is no such token.", "令牌无效。"),
    "role_forbids": (
        "A token of a {role} may not do this; it needs one of: {roles}.",
        "{role} 的令牌无权执行此操作，需要以下角色之一：{roles}。",
    ),
    "page_foreign": (
        "This did not come from a page of this session: load the page again, then repeat it.",
        "此请求不是由本次登录的页面发出的，请刷新页面后重试。",
    ),
    "tokens_not_set": (
        "This is no direct request of this machine ({trait}): set CLIENT_TOKENS, OPERATOR_TOKENS.",
        "这不是来自本机的直接请求（{trait}）：请设置 CLIENT_TOKENS 与 OPERATOR_TOKENS。",
    ),
    "too_many": (
        "Too many requests: the next one is taken in {seconds} s.",
        "请求过于频繁，请在 {seconds} 秒后重试。",
    ),
    "not_http": (
        "This is not HTTP, or the head of the request is larger than {limit} bytes.",
        "这不是合法的 HTTP 请求，或请求头超过 {limit} 字节。",
    ),
    "version_changed": (
        "Task {task_id} has version {version} now, which If-Match does not name.",
        "任务 {task_id} 的当前版本为 {version}，与 If-Match 不符。",
    ),
    "idempotency_key_invalid": (
        "Idempotency-Key must be 1 to {length} visible ASCII characters, sent once.",
        "Idempotency-Key 须为 1 到 {length} 个可见 ASCII 字符，且只能发送一次。",
    ),
    "idempotency_key_reused": (
        "This Idempotency-Key came with another request before: use a new one.",
        "此 Idempotency-Key 已用于另一个不同的请求，请换一个。",
    ),
    "idempotency_key_in_use": (
        "The first request with this Idempotency-Key has not ended: try again a little later.",
        "使用此 Idempotency-Key 的首个请求尚未结束，请稍后重试。",
    ),
    "idempotent_answer_too_large": (
        "Nothing was done: with an Idempotency-Key an answer has {limit} bytes at most; send less.",
        "未作任何更改：使用 Idempotency-Key 时响应最多 {limit} 字节，请减少一次发送的内容。",
    ),
    "queue_full": (
        "Queue {queue} has no room for {count} more: {limit} tasks may wait in it.",
        "队列 {queue} 容不下再增加的 {count} 个任务：最多允许 {limit} 个任务等待。",
    ),
    "streams_full": (
        "This process serves {limit} streams and waiting requests, and takes no more.",
        "本进程已有 {limit} 个事件流和等待中的请求，不再接受更多。",
    ),
    "task_not_found": ("There is no task {task_id}.", "任务 {task_id} 不存在。"),
    "batch_not_found": ("There is no batch {batch_id}.", "批次 {batch_id} 不存在。"),
    "state_forbids": (
        "Task {task_id} is {state}: {verb} is not allowed now.",
        "任务 {task_id} 处于 {state} 状态，不允许执行 {verb}。",
    ),
    "unique_key_taken": (
        "Task {task_id} has the same unique_key and is not finished.",
        "未结束的任务 {task_id} 已占用同一 unique_key。",
    ),
    "schedule_not_found": ("There is no schedule {schedule_id}.", "调度 {schedule_id} 不存在。"),
    "schedule_exists": (
        "Schedule {existing_id} of this task_type and account_id is live; see unique.",
        "同一 task_type 与 account_id 已有未完成的调度 {existing_id}，参见 unique 字段。",
    ),
    "schedule_forbids": (
        "Schedule {schedule_id} is {status}: {verb} is not allowed now.",
        "调度 {schedule_id} 处于 {status} 状态，不允许执行 {verb}。",
    ),
    "schedule_runs": (
        "Task {task_id} of schedule {schedule_id} is running; try again when it has ended.",
        "调度 {schedule_id} 的任务 {task_id} 正在执行，请在其结束后重试。",
    ),
    "schedule_broken": (
        "Schedule {schedule_id} was changed into one that cannot run: {reason}",
        "调度 {schedule_id} 的数据已被改动，无法运行：{reason}",
    ),
    "queue_not_found": ("There is no queue {queue}.", "队列 {queue} 不存在。"),
    "queue_exists": (
        "There is a queue {queue} already: PATCH changes it.",
        "队列 {queue} 已存在，请用 PATCH 修改。",
    ),
    "queue_not_empty": (
        "Queue {queue} holds tasks; it can be deleted when they, finished ones too, are gone.",
        "队列 {queue} 中仍有任务（包括已结束的），清空后才能删除。",
    ),
    "tag_not_found": ("There is no tag {tag}.", "标签 {tag} 不存在。"),
    "tag_exists": ("There is a tag {tag} already.", "标签 {tag} 已存在。"),
    "tag_large": (
        "So many tasks have the tag {tag} that it is only partly deleted: send the request again.",
        "使用标签 {tag} 的任务过多，目前只删除了一部分，请重新发送请求。",
    ),
    "callback_is_fixed": (
        "Task {task_id} is a callback: it can be started again, stopped or deleted, not changed.",
        "任务 {task_id} 是回调任务：可以重新启动、停止或删除，但不能修改。",
    ),
    "runninghub_key_missing": (
        "No key of RunningHub serves the queue {queue}: see RUNNINGHUB_KEYS.",
        "队列 {queue} 没有对应的 RunningHub 密钥，请检查 RUNNINGHUB_KEYS。",
    ),
    "runninghub_refused": (
        "RunningHub refused: {reason}",
        "RunningHub 拒绝了请求：{reason}",
    ),
    "runninghub_silent": (
        "RunningHub did not give a sound answer: {reason}",
        "RunningHub 未能正常应答：{reason}",
    ),
    "worker_gone": (
        "Worker {worker_id} is not there or was called dead: claim under a new id.",
        "工作者 {worker_id} 不存在或已被判定死亡，请使用新的 id 领取。",
    ),
    "file_not_found": ("There is no file {file_id}.", "文件 {file_id} 不存在。"),
    "file_bytes_missing": (
        "The store of this process does not have the bytes: look at FILES_URL, here and elsewhere.",
        "本进程的文件存储中没有该文件的内容：请检查各进程的 FILES_URL 是否一致。",
    ),
    "range_unsatisfiable": (
        "The file has {size} bytes: Range asks for what lies behind them.",
        "文件共 {size} 字节，Range 请求的范围超出文件末尾。",
    ),
    "file_in_use": (
        "Unfinished tasks refer to file {file_id}: {tasks}.",
        "未结束的任务正在引用文件 {file_id}：{tasks}。",
    ),
    "files_away": (
        "The store of files cannot be used now. Try again a little later.",
        "文件存储暂时无法访问，请稍后重试。",
    ),
    "file_too_large": (
        "A file can have at most {limit} MiB.",
        "文件最大为 {limit} MiB。",
    ),
    "method_not_allowed": (
        "This address takes {allow}, not {method}.",
        "此地址支持 {allow}，不支持 {method}。",
    ),
    "body_too_large": (
        "The body is larger than {limit} bytes.",
        "请求体超过 {limit} 字节。",
    ),
    "body_too_slow": (
        "The body took too long to arrive.",
        "请求体传输超时。",
    ),
    "body_not_json": (
        "The body is not JSON: line {line}, column {column}.",
        "请求体不是合法的 JSON：第 {line} 行第 {column} 列。",
    ),
    "body_too_deep": ("The body is nested too deeply.", "请求体嵌套过深。"),
    "body_number_too_long": ("The body has a number that is too long.", "请求体中有过长的数字。"),
    "body_name_repeated": (
        "The body has an object that names a field twice: {name}.",
        "请求体中有对象重复了字段：{name}。",
    ),
    "body_encoded": (
        "The body has Content-Encoding {encoding}; it is taken as it is or not at all.",
        "请求体使用了 Content-Encoding {encoding}，此处只接受未编码的内容。",
    ),
    "body_media_type": (
        "The body must come as Content-Type: application/json.",
        "请求体必须以 Content-Type: application/json 发送。",
    ),
    "body_not_multipart": (
        "The body must come as Content-Type: multipart/form-data, with a part named file.",
        "请求体必须以 Content-Type: multipart/form-data 发送，并包含名为 file 的部分。",
    ),
    "body_no_form": (
        "The body is no whole multipart form.",
        "请求体不是完整的 multipart 表单。",
    ),
    "form_media_type": (
        "The body must come as a form does: application/x-www-form-urlencoded.",
        "请求体必须以表单形式（application/x-www-form-urlencoded）发送。",
    ),
    "invalid": (
        "The request was understood but is not valid: {pointer}: {detail}",
        "请求内容无效：{pointer}：{detail}",
    ),
    "invalid_body": (
        "The request was understood but is not valid: {detail}",
        "请求内容无效：{detail}",
    ),
    "internal_error": (
        "Something went wrong in the server; request {request_id} is in its log.",
        "服务器内部出错，日志中的请求编号为 {request_id}。",
    ),
    "database_away": (
        "The database cannot be reached; nothing was changed. Try again a little later.",
        "数据库暂时无法访问，未作任何更改，请稍后重试。",
    ),
    "database_slow": (
        "The database did not answer in time; nothing was changed. Try again a little later.",
        "数据库未能及时响应，未作任何更改，请稍后重试。",
    ),
    "database_not_migrated": (
        "The database has no tables yet, or old ones; the release has to run first.",
        "数据库的表尚未建立或版本过旧，需要先完成部署的迁移步骤。",
    ),
    "database_busy": (
        "The database is too busy; nothing was changed. Try again a little later.",
        "数据库繁忙，未作任何更改，请稍后重试。",
    ),
    "outcome_unknown": (
        "The connection broke during the COMMIT: look whether the change was made.",
        "与数据库的连接在最后一刻中断，更改可能已生效，也可能没有。请先确认再重试。",
    ),
}

FAULTS: Mapping[str, Sentence] = {
    "missing": ("it is required", "必须提供"),
    "extra_forbidden": ("there is no such field or parameter", "没有这个字段或参数"),
    "status_is_not_given": (
        "the system moves a task from status to status by itself; a client cannot set it",
        "任务状态由系统自动流转，客户端不能设置",
    ),
    "field_is_not_given": (
        "the system sets this field; a client cannot",
        "此字段由系统设置，客户端不能设置",
    ),
    "field_is_fixed": (
        "it is set when the task is created and cannot be changed later",
        "只能在创建任务时设置，之后不能修改",
    ),
    "pause_is_a_verb": (
        "POST to its address with /pause or /resume behind it changes this field",
        "请用 POST 请求其地址后的 /pause 或 /resume 来修改",
    ),
    "object_type": ("it must be a JSON object", "必须是 JSON 对象"),
    "list_type": ("it must be an array", "必须是数组"),
    "string_type": ("it must be a string", "必须是字符串"),
    "int_type": ("it must be an integer", "必须是整数"),
    "bool_type": ("it must be true or false", "必须是 true 或 false"),
    "string_too_short": (
        "it must have at least {min_length} characters",
        "至少需要 {min_length} 个字符",
    ),
    "string_too_long": (
        "it can have at most {max_length} characters",
        "最多 {max_length} 个字符",
    ),
    "too_short": ("it must have at least {min_length} items", "至少需要 {min_length} 项"),
    "too_long": ("it can have at most {max_length} items", "最多 {max_length} 项"),
    "greater_than_equal": ("it must be at least {ge}", "不能小于 {ge}"),
    "less_than_equal": ("it must be at most {le}", "不能大于 {le}"),
    "not_one_of": ("it must be one of {expected}", "必须是以下之一：{expected}"),
    "name_pattern": (
        "it can have letters of a to z, digits and _ - . : and begins with a letter, a digit or _",
        "只能包含英文字母、数字和 _ - . :，并以字母、数字或 _ 开头",
    ),
    "blank": ("it must not be blank", "不能为空白"),
    "outer_blanks": ("it must not begin or end with a blank", "首尾不能有空白"),
    "control_character": ("it must not have control characters", "不能包含控制字符"),
    "nul_character": ("it must not have the character NUL", "不能包含 NUL 字符"),
    "moment_format": (
        "it must be a time as RFC 3339 has it, such as 2030-01-31T08:00:00Z",
        "必须是 RFC 3339 格式的时间，例如 2030-01-31T08:00:00Z",
    ),
    "moment_range": ("it must lie between the years 1000 and 9999", "年份必须在 1000 到 9999 之间"),
    "day_format": ("it must be a day, such as 2030-01-31", "必须是日期，例如 2030-01-31"),
    "zone_unknown": (
        "there is no such time zone; one is called Asia/Shanghai",
        "没有这个时区，时区名形如 Asia/Shanghai",
    ),
    "cron_invalid": (
        'it is not a cron expression such as "30 8 * * 1-5": {reason}',
        '不是合法的 cron 表达式（例如 "30 8 * * 1-5"）：{reason}',
    ),
    "windows_invalid": (
        'it must be like [8, 22] or ["08:30", "24:00"], a list of such, or null for all day',
        '必须形如 [8, 22] 或 ["08:30", "24:00"]，或其列表；全天为 null',
    ),
    "placeholder_unknown": (
        "there is no placeholder {unknown}; there are {known}",
        "没有占位符 {unknown}，可用的有 {known}",
    ),
    "title_makes_no_task": (
        "no task can have this title when its placeholders are filled in: {reason}",
        "填入占位符后，任务不能使用此标题：{reason}",
    ),
    "name_or_title": ("it needs a name or a title", "须提供 name 或 title"),
    "one_timing": (
        "send either interval, in seconds, or cron",
        "须提供 interval（秒）或 cron，二者取一",
    ),
    "never_runs": (
        "it would never run: look at cron, valid_time_range, start_at and task_end_time",
        "它永远不会运行：请检查 cron、valid_time_range、start_at 与 task_end_time",
    ),
    "beyond_the_end": (
        "it would then run behind task_end_time: it would be over",
        "移动后将晚于 task_end_time，调度届时已结束",
    ),
    "document": ("it cannot be stored: {reason}", "无法存储：{reason}"),
    "file_is_missing": ("there is no file {file_id}", "文件 {file_id} 不存在"),
    "one_move": (
        "send either priority_offset, in seconds, or to, which is first or last",
        "须提供 priority_offset（秒）或 to（first 或 last），二者取一",
    ),
    "key_repeated": (
        "an earlier task of this batch has the same unique_key",
        "本批中前面的任务已使用同一 unique_key",
    ),
    "ids_or_filter": ("send either ids or filter", "须提供 ids 或 filter，二者取一"),
    "filter_empty": (
        "it must name at least one filter: all tasks are never meant by leaving out which",
        "至少需要一个筛选条件：省略条件并不表示全部任务",
    ),
    "outcome_needs": ("with this outcome {field} is required", "此结果必须提供 {field}"),
    "queue_word": (
        "it must be the name of a queue, * for all others, or -name to leave one out",
        "必须是队列名、*（所有其他队列）或 -队列名（排除该队列）",
    ),
    "reserved": ("this name is the system's own", "此名称由系统保留"),
    "url_invalid": (
        "it must be a URL such as https://example.org/path",
        "必须是 URL，例如 https://example.org/path",
    ),
    "url_scheme": ("it must begin with https:// or http://", "必须以 https:// 或 http:// 开头"),
    "url_credentials": ("it must not have a user name or password in it", "不能包含用户名或密码"),
    "url_host": (
        "it must name a host, or an address in its usual form",
        "必须包含主机名，或书写规范的地址",
    ),
    "url_private": (
        "it leads to an address that is not public; HTTP_ALLOW_HOSTS opens hosts",
        "它指向非公网地址；可用 HTTP_ALLOW_HOSTS 放行",
    ),
    "callbacks_need_secret": (
        "callbacks are signed: set CALLBACK_SECRET for API and workers; docs/callbacks.md says how",
        "回调须签名：请为 API 和工作进程设置 CALLBACK_SECRET，参见 docs/callbacks.md",
    ),
    "workflow_queue": (
        "a workflow runs in the queue runninghub, or in runninghub:ALIAS of one key",
        "工作流任务须在队列 runninghub 中，或某个密钥的队列 runninghub:别名 中",
    ),
    "given_twice": ("it can be given once only", "只能提供一次"),
    "not_valid": ("it is not valid", "内容无效"),
}


def title_of(status: int, language: Language) -> str:
    """Return what an HTTP status means."""
    return in_language(TITLES.get(status, TITLES[400 if status < 500 else 500]), language)


def detail_of(code: str, values: Mapping[str, Any], language: Language) -> str:
    """Return the sentence for a problem's code."""
    return in_language(DETAILS[code], language).format_map(values)


def fault_of(code: str, values: Mapping[str, Any], language: Language) -> str:
    """Return what is wrong with one field, by its code; a code without a text is not_valid."""
    return in_language(FAULTS.get(code, FAULTS["not_valid"]), language).format_map(values)


def in_language(sentence: Sentence, language: Language) -> str:
    """Return a sentence in a language."""
    return sentence[0] if language == "en" else sentence[1]
