// The model and the predictor lie in this page; images stay in the browser.
const ALPHABET = Array.from({length: 94}, (_, i) => String.fromCharCode(33 + i)).filter(c => !"\"&'<>\\`$%".includes(c));

// Five characters stand for four bytes, the highest first; data-size says how many bytes of them count.
async function unpacked(id) {
    const element = document.getElementById(id), text = element.textContent, size = Number(element.dataset.size);
    const value = new Uint8Array(128).fill(255), bytes = new Uint8Array(size + 3);
    ALPHABET.forEach((c, i) => value[c.charCodeAt(0)] = i);
    for (let i = 0, at = 0, n = 0, word = 0; i < text.length; i++) {
        const digit = value[text.charCodeAt(i)];
        if (digit === 255) continue; // the end of a line
        word = word * 85 + digit;
        if (++n < 5) continue;
        for (let shift = 24; shift >= 0; shift -= 8) bytes[at++] = word / 2 ** shift;
        n = word = 0;
    }
    element.remove();
    return inflate(bytes.subarray(0, size));
}

async function pixelsOf(file, turned) {
    const png = await decodePng(await file.arrayBuffer()).catch(() => null);
    if (png) return png;
    const bitmap = await createImageBitmap(file, {colorSpaceConversion: "none", premultiplyAlpha: "none",
        imageOrientation: turned ? "from-image" : "none"}).catch(() => null);
    if (!bitmap) throw new Error("This is no image that this browser reads.");
    const canvas = document.createElement("canvas");
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

const backend = {
    hint: "Images stay in this browser: the whole program is in this page.",
    classifier: null,
    load() {
        this.classifier = this.classifier || Promise.all([unpacked("module"), unpacked("model")]).then(([module, model]) => Classifier.load(module, model));
        return this.classifier;
    },
    async classify(file) {
        const classifier = await this.load(), pixels = await pixelsOf(file, classifier.appliesExif);
        const answer = classifier.run(pixels), map = classifier.map;
        return {
            unknown: answer.unknown,
            logits: answer.logits,
            view: {size: classifier.size, rgb: answer.view},
            classes: classifier.best(answer).map(c => ({...c, class_map: {...map, values: classifier.classMap(c.index)}})),
        };
    },
};
globalThis.squeezenet = backend; // for tests, and for the console of the curious
backend.load().catch(() => {}); // while the first image is chosen; what fails is told then
