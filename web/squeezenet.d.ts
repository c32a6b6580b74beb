// Types of squeezenet.mjs.

/** Pixels as an ImageData of a canvas has them: RGBA, row by row. */
export interface Pixels {
    data: Uint8Array | Uint8ClampedArray;
    width: number;
    height: number;
}

export interface Answer {
    /** Of all classes; never below 0. */
    logits: Float32Array;
    probabilities: Float32Array;
    /** Whether the model's stored threshold says that the image is of none of its classes. */
    unknown: boolean;
    /** The image as the network saw it: size x size pixels, RGB. */
    view: Uint8Array;
}

export interface Score {
    index: number;
    name: string;
    probability: number;
}

export class Classifier {
    /**
     * Fails with a sentence for what is no .sqz file of this version.
     * @param module the bytes of squeezenet.wasm, or what WebAssembly.compile made of them (share it among models)
     * @param model the bytes of a .sqz file
     */
    static load(module: BufferSource | WebAssembly.Module, model: ArrayBuffer | Uint8Array): Promise<Classifier>;
    /** Directory names of the classes in index order; may be empty. */
    readonly classes: string[];
    /** Readable names, one a class. */
    readonly labels: string[];
    /** The network takes size x size pixels; images of any size are resized and cropped as the program does. */
    readonly size: number;
    readonly unknown: {score: "softmax" | "logit" | "energy"; threshold: number} | null;
    /** Cell (0, 0) of a class map lies at pixel `start` of the view, the next one `step` pixels on. */
    readonly map: {height: number; width: number; start: number; step: number};
    /** Whether images are to be turned as their EXIF orientation says before they come to run(). */
    readonly appliesExif: boolean;
    /** Takes some tens of milliseconds, on the calling thread. */
    run(pixels: Pixels): Answer;
    /** map.height x map.width values of the image that ran last; their mean is the class's logit. */
    classMap(index: number): Float32Array;
    best(answer: Pick<Answer, "probabilities">, k?: number): Score[];
}

/** The exact pixels of a PNG file; null for other files and for interlaced or turned (eXIf) ones. */
export function decodePng(file: ArrayBuffer | Uint8Array): Promise<Pixels | null>;
export function inflate(bytes: BlobPart, format?: CompressionFormat): Promise<Uint8Array>;
