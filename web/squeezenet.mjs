// Classifies images with a SqueezeNet from a .sqz file, in browsers and in Node: the program's own predictor as
// WebAssembly, the bits of its reference level. One file, no dependencies. See squeezenet.d.ts and docs/web.md.

const INTERPOLATIONS = ["nearest", "bilinear", "bicubic", "area", "antialias", "pilcubic"];
const RESIZE_MODES = ["shorter", "exact"];
const NAME = 32; // bytes of a name in struct sqz_web_config

/** The texts of a .sqz file (docs/sqz-format.md): keys and values. */
function readTexts(bytes) {
    const texts = new Map(), decoder = new TextDecoder("utf-8", {fatal: true});
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < bytes.length;) {
        const key = decoder.decode(bytes.subarray(at + 1, at + 1 + bytes[at]));
        at += 1 + bytes[at];
        const size = view.getUint32(at, true);
        if (size > bytes.length - at - 4) throw new Error("The model's texts are damaged.");
        texts.set(key, decoder.decode(bytes.subarray(at + 4, at + 4 + size)));
        at += 4 + size;
    }
    return texts;
}

/** A model that classifies images. Make one with `await Classifier.load(module, model)`. */
export class Classifier {
    #wasm;
    #exif = false;

    /**
     * @param module the bytes of squeezenet.wasm, or a compiled WebAssembly.Module
     * @param model the bytes of a .sqz file
     */
    static async load(module, model) {
        const compiled = module instanceof WebAssembly.Module ? module : await WebAssembly.compile(module);
        const classifier = new Classifier();
        classifier.#open((await WebAssembly.instantiate(compiled, {})).exports, new Uint8Array(model));
        return classifier;
    }

    #check(status) {
        if (status === 0) return;
        const bytes = new Uint8Array(this.#wasm.memory.buffer, this.#wasm.sqz_web_error());
        throw new Error(new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0))));
    }

    #open(wasm, model) {
        this.#wasm = wasm;
        const room = wasm.sqz_web_room(model.length);
        if (!room) throw new Error("The model is too large.");
        new Uint8Array(wasm.memory.buffer, room, model.length).set(model);
        this.#check(wasm.sqz_web_open(model.length));
        const info = this.#info();
        const texts = readTexts(new Uint8Array(wasm.memory.buffer, info.texts, info.textsSize));
        if (texts.get("format_version") !== "1") throw new Error("The model is of another format version.");
        const preprocessing = JSON.parse(texts.get("preprocessing"));
        this.#configure(texts, preprocessing);
        this.#check(wasm.sqz_web_build());
        const built = this.#info();
        this.classes = texts.has("classes") ? JSON.parse(texts.get("classes")) : [];
        this.labels = texts.has("labels") ? JSON.parse(texts.get("labels")) : this.classes;
        for (let i = this.labels.length; i < built.classes; i++) this.labels.push("class " + i);
        this.size = built.imageSize;
        this.unknown = texts.has("unknown_score")
            ? {score: texts.get("unknown_score"), threshold: Number(texts.get("unknown_threshold"))} : null;
        this.map = {height: built.mapHeight, width: built.mapWidth, start: built.mapStart, step: built.mapStep};
        this.#exif = preprocessing.apply_exif;
    }

    /** Whether images should be turned as their EXIF orientation says before their pixels come here. */
    get appliesExif() {
        return this.#exif;
    }

    #info() {
        const view = new DataView(this.#wasm.memory.buffer, this.#wasm.sqz_web_info());
        const int = i => view.getInt32(4 * i, true), float = i => view.getFloat32(4 * i, true);
        const address = i => view.getUint32(4 * i, true);
        return {classes: int(0), imageSize: int(1), mapHeight: int(2), mapWidth: int(3), mapStart: float(4), mapStep: float(5),
            texts: address(6), textsSize: address(7), logits: address(8), maps: address(9), view: address(10)};
    }

    #configure(texts, p) {
        const at = this.#wasm.sqz_web_config(), buffer = this.#wasm.memory.buffer;
        const names = new Uint8Array(buffer, at, 3 * NAME), numbers = new DataView(buffer, at + 3 * NAME);
        [texts.get("variant"), texts.get("dialect"), texts.get("stem") ?? "imagenet"].forEach((name, i) =>
            new TextEncoder().encodeInto(name, names.subarray(i * NAME, (i + 1) * NAME - 1)));
        [RESIZE_MODES.indexOf(p.resize_mode), p.resize, p.image_size, INTERPOLATIONS.indexOf(p.interpolation),
            p.channel_order === "bgr" ? 1 : 0, p.channels].forEach((value, i) => numbers.setInt32(4 * i, value, true));
        for (let c = 0; c < p.channels; c++) {
            numbers.setFloat32(24 + 4 * c, p.mean[c], true);
            numbers.setFloat32(36 + 4 * c, p.std[c], true);
        }
    }

    /**
     * Runs the network on one image: `data` has width x height x 4 bytes, RGBA (as ImageData has); alpha is not looked at.
     * Returns logits and probabilities of all classes, whether the image is of none of them, and the image as the network
     * saw it. The arrays are copies.
     */
    run({data, width, height}) {
        const wasm = this.#wasm, n = 4 * width * height;
        if (data.length !== n) throw new Error("An image of " + width + " x " + height + " pixels has " + n + " bytes.");
        const to = wasm.sqz_web_image(width, height);
        if (!to) throw new Error("The image is too large.");
        new Uint8Array(wasm.memory.buffer, to, n).set(data);
        this.#check(wasm.sqz_web_run());
        const info = this.#info();
        const logits = new Float32Array(wasm.memory.buffer, info.logits, info.classes).slice();
        const most = logits.reduce((a, b) => Math.max(a, b)), exps = Array.from(logits, x => Math.exp(x - most));
        const sum = exps.reduce((a, b) => a + b);
        return {logits, probabilities: Float32Array.from(exps, x => x / sum), unknown: this.#isUnknown(most, sum),
            view: new Uint8Array(wasm.memory.buffer, info.view, 3 * this.size ** 2).slice()};
    }

    #isUnknown(most, sum) {
        if (!this.unknown) return false;
        const score = {softmax: 1 / sum, logit: most, energy: most + Math.log(sum)}[this.unknown.score];
        return !(score >= this.unknown.threshold);
    }

    /** The map of one class for the image that ran last: map.height x map.width values, whose mean is the class's logit. */
    classMap(index) {
        const info = this.#info(), n = info.mapHeight * info.mapWidth;
        const maps = new Float32Array(this.#wasm.memory.buffer, info.maps, n * info.classes);
        return Float32Array.from({length: n}, (_, i) => maps[i * info.classes + index]);
    }

    /** The k most probable classes of an answer of run(): index, name, probability. */
    best({probabilities}, k = 5) {
        return Array.from(probabilities, (probability, index) => ({index, name: this.labels[index], probability}))
            .sort((a, b) => b.probability - a.probability || a.index - b.index).slice(0, k);
    }
}

async function inflate(bytes, format = "deflate") {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format));
    return new Uint8Array(await new Response(stream).arrayBuffer());
}
export {inflate};

/**
 * The pixels of a PNG file as RGBA, exactly as they are stored: no colour management, alpha kept beside the colours, 16
 * bits to the upper 8. null for what is no PNG, or
 * one that is interlaced or turned.
 */
export async function decodePng(file) {
    const bytes = new Uint8Array(file), view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < 57 || view.getUint32(0) !== 0x89504e47 || view.getUint32(4) !== 0x0d0a1a0a) return null;
    const width = view.getUint32(16), height = view.getUint32(20), depth = bytes[24], type = bytes[25];
    const samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[type];
    if (!samples || bytes[28] || width < 1 || height < 1 || width * height > 1 << 26) return null;
    const parts = [];
    let palette = null;
    for (let at = 8; at + 12 <= bytes.length;) {
        const size = view.getUint32(at), kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
        if (size > bytes.length - at - 12) return null;
        if (kind === "PLTE") palette = bytes.subarray(at + 8, at + 8 + size);
        if (kind === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + size));
        if (kind === "eXIf") return null; // may say that the image is turned, which browsers know about
        if (kind === "IEND") break;
        at += 12 + size;
    }
    const step = Math.max(1, samples * depth / 8), row = Math.ceil(width * samples * depth / 8);
    const raw = await inflate(new Blob(parts));
    if (raw.length < (row + 1) * height || (type === 3 && !palette)) return null;
    unfilter(raw, row, height, step);
    return {width, height, data: spread(raw, {width, height, depth, type, samples, row, palette})};
}

/** Undoes PNG's filters in place. */
function unfilter(raw, row, height, step) {
    const paeth = (a, b, c) => {
        const p = a + b - c, pa = Math.abs(p - a), pb = Math.abs(p - b), pc = Math.abs(p - c);
        return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
    };
    for (let y = 0, at = 1; y < height; y++, at += row + 1) {
        const filter = raw[at - 1], up = y ? row + 1 : 0;
        for (let i = 0; filter && i < row; i++) {
            const a = i < step ? 0 : raw[at + i - step], b = up ? raw[at + i - up] : 0;
            const c = up && i >= step ? raw[at + i - up - step] : 0;
            raw[at + i] += filter === 1 ? a : filter === 2 ? b : filter === 3 ? a + b >> 1 : paeth(a, b, c);
        }
    }
}

/** Samples of any depth as RGBA of 8 bits. */
function spread(raw, {width, height, depth, type, samples, row, palette}) {
    const out = new Uint8ClampedArray(4 * width * height), most = (1 << Math.min(depth, 8)) - 1;
    const sample = (start, i) => depth >= 8 ? raw[start + i * depth / 8] : raw[start + (i * depth >> 3)] >> 8 - depth - i * depth % 8 & most;
    for (let y = 0, to = 0; y < height; y++)
        for (let x = 0, start = y * (row + 1) + 1; x < width; x++, to += 4) {
            const first = sample(start, x * samples);
            for (let c = 0; c < 3; c++)
                out[to + c] = type === 3 ? palette[3 * first + c] : samples > 2 ? sample(start, x * samples + c) : first * 255 / most;
            out[to + 3] = type & 4 ? sample(start, x * samples + samples - 1) : 255;
        }
    return out;
}
