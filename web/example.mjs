// node example.mjs MODEL.sqz IMAGE.png...: the five most probable classes of each image. With --logits: all logits, for
// comparison with `squeezenet predict --save_features`; with --time: milliseconds of an image.
import {readFile} from "node:fs/promises";
import {Classifier, decodePng} from "./squeezenet.mjs";

const options = process.argv.slice(2).filter(a => a.startsWith("--"));
const [model, ...images] = process.argv.slice(2).filter(a => !a.startsWith("--"));
if (!images.length) throw new Error("usage: node example.mjs [--logits] [--time] MODEL.sqz IMAGE.png...");
const wasm = await readFile(new URL("squeezenet.wasm", import.meta.url));
const classifier = await Classifier.load(wasm, await readFile(model));
for (const path of images) {
    const pixels = await decodePng(await readFile(path));
    if (!pixels) throw new Error(path + " is no PNG that is read here.");
    const answer = classifier.run(pixels);
    if (options.includes("--logits")) {
        console.log(path + " " + Buffer.from(answer.logits.buffer).toString("hex"));
        continue;
    }
    console.log(path + (answer.unknown ? ": unknown" : ""));
    for (const {name, probability} of classifier.best(answer)) console.log("  " + (100 * probability).toFixed(1).padStart(5) + " %  " + name);
    if (options.includes("--time")) {
        const times = Array.from({length: 20}, () => {
            const start = performance.now();
            classifier.run(pixels);
            return performance.now() - start;
        }).sort((a, b) => a - b);
        console.log("  " + times[10].toFixed(1) + " ms (median of 20)");
    }
}
