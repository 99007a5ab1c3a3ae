"""What a hostile page tries to do with an appliance in the house of whoever looks at it.

Each attack is the body of an async JavaScript function of the appliance's address `T` and its WebSocket's `W`. It
returns what the page got to know or to do; nothing, or an error, is a refusal.
"""

HELPERS = """
const JSON_HEAD = { "Content-Type": "application/json" };
const CHAT = JSON.stringify({ model: "x", messages: [{ role: "user", content: "say 3" }] });
const CLAIM = JSON.stringify({ name: "admin", password: "the attacker's password", code: "AAAA-AAAA" });
const read = async (response) => (response.ok ? await response.text() : "");
const post = (path, body, options = {}) => fetch(T + path, { method: "POST", body, ...options }).then(read);
const seen = (element, event = "load") => new Promise((resolve) => {
    element.addEventListener(event, () => resolve(`${element.localName} ${event}`));
    element.addEventListener("error", () => resolve(""));
    setTimeout(() => resolve(""), 700);
    document.body.append(element);
});
const make = (name, properties) => Object.assign(document.createElement(name), properties);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const submit = async (path, type, fields, method = "post") => {
    const frame = document.body.appendChild(make("iframe", { name: `f${Math.random()}` }));
    const form = make("form", { action: T + path, method, enctype: type, target: frame.name });
    for (const [name, value] of Object.entries(fields)) form.append(make("input", { name, value }));
    document.body.append(form);
    form.submit();
    await wait(400);
    return "";
};
const talk = (socket) => new Promise((resolve) => {
    socket.onopen = () => socket.send(JSON.stringify({ type: "say", ref: "evil", text: "say 3" }));
    socket.onmessage = ({ data }) => resolve(data);
    socket.onerror = socket.onclose = () => resolve("");
    setTimeout(() => resolve(""), 1500);
});
const told = (start) => new Promise((resolve) => {
    addEventListener("message", ({ data }) => resolve(data), { once: true });
    start();
    setTimeout(() => resolve(""), 1500);
});
const sandboxed = (script) => told(() => document.body.append(make("iframe", { sandbox: "allow-scripts",
    srcdoc: `<script>const T = ${JSON.stringify(T)}, W = ${JSON.stringify(W)};
        const say = (words) => parent.postMessage(words, "*");
        (async () => { ${script} })().then(say, () => say(""));<\\/script>` })));
"""

FOREIGN: dict[str, str] = {
    # ── reading ──
    "read the page": 'return fetch(T + "/").then(read)',
    "read with cookies": 'return fetch(T + "/api/session", { credentials: "include" }).then(read)',
    "read without CORS": 'return fetch(T + "/v1/models", { mode: "no-cors" }).then(read)',
    "read the metrics": 'return fetch(T + "/metrics").then(read)',
    "read the settings": 'return fetch(T + "/api/admin/config", { credentials: "include" }).then(read)',
    "read the log": 'return fetch(T + "/api/admin/logs", { credentials: "include" }).then(read)',
    "take the backup": 'return fetch(T + "/api/admin/backup", { credentials: "include" }).then(read)',
    "read by XMLHttpRequest": """const x = new XMLHttpRequest(); x.open("GET", T + "/v1/models", false);
        x.withCredentials = true; x.send(); return x.responseText""",
    "read by EventSource": """return new Promise((resolve) => {
        const source = new EventSource(T + "/v1/stream?conv_id=1&from=0", { withCredentials: true });
        source.onmessage = ({ data }) => resolve(data); source.onerror = () => resolve("") })""",
    # ── asking, in a way that no preflight stops ──
    "ask as text": 'return post("/v1/chat/completions", CHAT, { headers: { "Content-Type": "text/plain" } })',
    "ask without CORS": """return post("/v1/chat/completions", CHAT, { mode: "no-cors", credentials: "include" })""",
    "ask as a form": 'return post("/v1/chat/completions", new URLSearchParams({ prompt: CHAT }), { mode: "no-cors" })',
    "ask as parts": """const form = new FormData(); form.append("x", CHAT);
        return post("/v1/chat/completions", form, { mode: "no-cors" })""",
    "ask without a type": 'return post("/v1/responses", new Blob([\'{"input":"say 3"}\']), { mode: "no-cors" })',
    "ask by beacon": """navigator.sendBeacon(T + "/api/generate", '{"model":"x","prompt":"say 3"}');
        await wait(300); return """
    "",
    "ask while leaving": """return post("/api/chat", CHAT, { keepalive: true, mode: "no-cors" })""",
    "ask for vectors": 'return post("/v1/embeddings", \'{"input":"x"}\', { mode: "no-cors" })',
    "count tokens": 'return post("/tokenize", \'{"content":"x"}\', { mode: "no-cors" })',
    "upload slowly": """const x = new XMLHttpRequest(); x.open("POST", T + "/api/chat");
        x.upload.onprogress = () => {}; x.send(CHAT); await wait(400); return x.responseText""",
    # ── asking as programs do ──
    "ask as JSON": 'return post("/v1/chat/completions", CHAT, { headers: JSON_HEAD, credentials: "include" })',
    "ask with a key": """return post("/v1/chat/completions", CHAT, {
        headers: { ...JSON_HEAD, Authorization: "Bearer x" } })""",
    # ── changing ──
    "claim it": 'return post("/api/password", CLAIM, { mode: "no-cors", credentials: "include" })',
    "claim it as JSON": 'return post("/api/password", CLAIM, { headers: JSON_HEAD })',
    "sign in": 'return post("/api/session", CLAIM, { mode: "no-cors", credentials: "include" })',
    "sign somebody out": 'return fetch(T + "/api/session", { method: "DELETE", credentials: "include" }).then(read)',
    "fetch a model": """return post("/api/admin/models/fetch", '{"name":"qwen3-0.6b"}',
        { mode: "no-cors", credentials: "include" })""",
    "pull a model": 'return post("/api/pull", \'{"model":"qwen3-0.6b"}\', { mode: "no-cors", credentials: "include" })',
    "delete a model": """return fetch(T + "/api/delete", { method: "DELETE", body: '{"model":"starter"}',
        credentials: "include" }).then(read)""",
    "change a setting": """return fetch(T + "/api/admin/config", { method: "PATCH", headers: JSON_HEAD,
        body: '{"chat.temperature":2}', credentials: "include" }).then(read)""",
    "restart the engine": 'return post("/api/admin/engine/restart", "", { mode: "no-cors", credentials: "include" })',
    "switch it off": 'return post("/api/admin/shutdown", "", { mode: "no-cors", credentials: "include" })',
    # ── forms ──
    "claim by a form": """return submit("/api/password", "application/x-www-form-urlencoded",
        { name: "admin", password: "the attacker's password" })""",
    "JSON in a form": """return submit("/api/generate", "text/plain",
        { '{"model":"x","prompt":"say 3","x":"': '"}' })""",
    "restart by a form": 'return submit("/api/admin/engine/restart", "multipart/form-data", { a: "b" })',
    "export by a form": 'return submit("/api/conversations/x/export", "text/plain", { format: "md" }, "get")',
    # ── WebSockets ──
    "talk": 'return talk(new WebSocket(W + "/ws"))',
    "talk in a protocol": 'return talk(new WebSocket(W + "/ws", ["bramble", "x"]))',
    "talk from a worker": """const source = `onmessage = ({ data }) => { const s = new WebSocket(data);
        s.onopen = () => s.send('{"type":"say","ref":"evil","text":"say 3"}'); s.onmessage = (m) => postMessage(m.data);
        s.onerror = s.onclose = () => postMessage("") }`;
        const worker = new Worker(URL.createObjectURL(new Blob([source])));
        return new Promise((resolve) => {
            worker.onmessage = (m) => resolve(m.data); worker.postMessage(W + "/ws") })""",
    "talk from nowhere": """return sandboxed(`return new Promise((resolve) => { const s = new WebSocket(W + "/ws");
        s.onmessage = (m) => resolve(m.data); s.onerror = s.onclose = () => resolve("") })`)""",
    "ask from nowhere": """return sandboxed(`const r = await fetch(T + "/api/chat", { method: "POST",
        body: '{"model":"x","messages":[{"role":"user","content":"say 3"}]}' }); return r.ok ? r.text() : ""`)""",
    # ── embedding ──
    "an image": 'return seen(make("img", { src: T + "/healthz" }))',
    "its icon as an image": """const page = "/static/" + location.hash.slice(1) + "/icons/icon.svg";
        return seen(make("img", { src: T + page }))""",
    "a script": 'return seen(make("script", { src: T + "/v1/models" }))',
    "a style sheet": 'return seen(make("link", { rel: "stylesheet", href: T + "/openapi.json" }))',
    "a video": 'return seen(make("video", { src: T + "/metrics" }), "loadeddata")',
    "an object": 'return seen(make("object", { data: T + "/openapi.json", type: "application/json" }))',
    "a window": """const other = window.open(T + "/"); await wait(700);
        try { return other.document.body.innerText } finally { other?.close() }""",
}
"""From another origin."""

REBOUND: dict[str, str] = {
    "the page": 'return fetch(T + "/").then(read)',
    "the models": 'return fetch(T + "/v1/models").then(read)',
    "a question": 'return post("/v1/chat/completions", CHAT, { headers: JSON_HEAD })',
    "an answer of Ollama's": 'return post("/api/chat", CHAT, { headers: JSON_HEAD })',
    "the password": 'return post("/api/password", CLAIM, { headers: JSON_HEAD })',
    "a setting": """return fetch(T + "/api/admin/config", { method: "PATCH", headers: JSON_HEAD,
        body: '{"chat.temperature":2}' }).then(read)""",
    "the socket": 'return talk(new WebSocket(W + "/ws"))',
    "a frame": """const frame = make("iframe", { src: T + "/" }); await seen(frame);
        return frame.contentDocument?.querySelector("#message") ? "framed" : "" """,
}
"""From a name of the attacker's that points to the appliance by now: the browser takes both for one origin."""
