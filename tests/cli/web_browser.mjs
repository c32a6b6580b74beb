// node web_browser.mjs PAGE IMAGE...: opens the page (a file or an address) in headless Chromium, gives it the images
// as a user would, and prints "logits FILE HEX" for each that has logits. Exits with 1 unless every image gets a card with
// classes, every control has a name in the accessibility tree, and nothing was logged as an error. $SHOT writes a
// screenshot there, $WIDTH wide and, with $DARK, dark.
import {spawn} from "node:child_process";
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {resolve} from "node:path";

const [page, ...images] = process.argv.slice(2), width = Number(process.env.WIDTH || 1280);
const profile = mkdtempSync("/tmp/squeezenet-chromium-");
const browser = spawn("chromium", ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--user-data-dir=" + profile,
    "--remote-debugging-pipe", "about:blank"], {stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"]});
const answers = new Map(), problems = [];
let number = 0, text = "";
browser.stdio[4].on("data", data => {
    text += data;
    for (let end; (end = text.indexOf("\0")) >= 0; text = text.slice(end + 1)) {
        const message = JSON.parse(text.slice(0, end));
        if (message.id) answers.get(message.id)(message.result ?? {});
        else if (message.method === "Runtime.exceptionThrown" || message.params?.entry?.level === "error") problems.push(JSON.stringify(message.params));
    }
});
function send(method, params = {}, sessionId = undefined) {
    browser.stdio[3].write(JSON.stringify({id: ++number, method, params, sessionId}) + "\0");
    return new Promise(done => answers.set(number, done));
}
async function finish(problem) {
    if (problem) console.log(problem);
    await send("Browser.close");
    await new Promise(r => setTimeout(r, 300));
    rmSync(profile, {recursive: true, force: true, maxRetries: 5});
    process.exit(problem ? 1 : 0);
}
setTimeout(() => finish("Chromium takes too long."), 60000).unref();

const {targetInfos} = await send("Target.getTargets");
const target = targetInfos.find(t => t.type === "page").targetId;
const {sessionId} = await send("Target.attachToTarget", {targetId: target, flatten: true});
const ask = (method, params) => send(method, params, sessionId);
const run = async expression => (await ask("Runtime.evaluate", {expression, awaitPromise: true, returnByValue: true})).result?.value;
const until = async expression => {
    while (!await run(expression)) await new Promise(r => setTimeout(r, 50));
};
for (const domain of ["Page", "Log", "Runtime", "DOM"]) await ask(domain + ".enable");
await ask("Emulation.setDeviceMetricsOverride", {width, height: 844, deviceScaleFactor: 1, mobile: width < 500});
await ask("Emulation.setEmulatedMedia", {features: [{name: "prefers-color-scheme", value: process.env.DARK ? "dark" : "light"}]});
await ask("Page.navigate", {url: /^https?:/.test(page) ? page : "file://" + resolve(page)});
await until("document.readyState === 'complete' && globalThis.squeezenet !== undefined");
const {root} = await ask("DOM.getDocument");
const {nodeId} = await ask("DOM.querySelector", {nodeId: root.nodeId, selector: "#file"});
await ask("DOM.setFileInputFiles", {nodeId, files: images.map(i => resolve(i))});
await until(`document.querySelectorAll("article").length === ${images.length} && /classified/.test(document.getElementById("status").textContent)`);
const shown = await run('[...document.querySelectorAll("article")].filter(a => a.querySelector("li button")).length');
if (process.env.SHOT) writeFileSync(process.env.SHOT, Buffer.from((await ask("Page.captureScreenshot", {captureBeyondViewport: true})).data, "base64"));
for (const image of images) {
    const bytes = readFileSync(image).toString("base64");
    const hex = await run(`squeezenet.classify(new File([Uint8Array.from(atob("${bytes}"), c => c.charCodeAt(0))], "x"))
        .then(a => a.logits ? [...new Uint8Array(a.logits.buffer)].map(b => b.toString(16).padStart(2, "0")).join("") : "")`);
    if (hex) console.log(`logits ${image} ${hex}`);
}
const {nodes} = await ask("Accessibility.getFullAXTree");
const nameless = nodes.filter(n => !n.ignored && ["button", "checkbox", "textbox", "combobox", "image"].includes(n.role?.value) && !n.name?.value);
if (shown !== images.length) await finish(shown + " of " + images.length + " images got an answer");
if (nameless.length) await finish(nameless.length + " controls have no name: " + JSON.stringify(nameless[0]));
await finish(problems.length ? problems.join("\n") : "");
