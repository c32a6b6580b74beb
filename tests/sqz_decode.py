#!/usr/bin/env python3
"""A second decoder of .sqz files, written from docs/sqz-format.md with the standard library alone.

sqz_decode.py FILE.sqz          prints names, shapes and the CRC-32 of each tensor's float32 bytes
sqz_decode.py FILE.sqz OUT      writes the tensors' bytes, one after the other
"""
import hashlib
import struct
import sys
import zlib


class Range:
    def __init__(self, data):
        self.data, self.at, self.range, self.code = data, 0, 0xFFFFFFFF, 0
        for _ in range(4):
            self.code = self.code << 8 | self.byte()

    def byte(self):
        if self.at == len(self.data):
            raise ValueError("payload too short")
        self.at += 1
        return self.data[self.at - 1]

    def reset(self):
        self.contexts = [[32768, 32768, 0] for _ in range(329)]

    def normalize(self):
        while self.range < 1 << 24:
            self.range <<= 8
            self.code = (self.code << 8 | self.byte()) & 0xFFFFFFFF

    def bit(self, context):
        c = self.contexts[context]
        bound = (self.range >> 16) * min(max((c[0] + c[1]) >> 1, 64), 65536 - 64)
        bit = self.code < bound
        if bit:
            self.range = bound
        else:
            self.code -= bound
            self.range -= bound
        f, s = min(c[2] + 1, 5), c[2] + 1
        if bit:
            c[0] += (65535 - c[0]) >> f
            c[1] += (65535 - c[1]) >> s
        else:
            c[0] -= c[0] >> f
            c[1] -= c[1] >> s
        c[2] = min(c[2] + 1, 7)
        self.normalize()
        return int(bit)

    def even(self, n):
        value = 0
        for _ in range(n):
            self.range >>= 1
            bit = self.code < self.range
            if not bit:
                self.code -= self.range
            value = value << 1 | bit
            self.normalize()
        return value

    def tree(self, context, n):
        node = 1
        for _ in range(n):
            node = 2 * node + self.bit(context + node)
        return node - (1 << n)


LEVELS = [sum(s >= t for t in (1, 3, 4, 5, 7, 10, 13, 18, 25)) for s in range(26)]


def range_code(r, level, sign):
    if not r.bit(level):
        return 0
    negative, order = r.bit(10 + sign), 0
    while r.bit(19 + 10 * order + level):
        order += 1
        if order == 15:
            raise ValueError("a code is too large")
    value = 1 << order
    if order == 1:
        value += r.bit(169 + level)
    elif order == 2:
        first = r.bit(179 + level)
        value += 2 * first + r.bit(189 + 10 * first + level)
    elif order > 2:
        t = min(order, 6)
        value += r.tree(209 + (1 << t) - 8, t) << (order - t)
        value += r.even(order - t)
    return -value if negative else value


def range_codes(r, rows, columns, height, width):
    taps, out, above = height * width, [], [0] * columns
    for _ in range(rows):
        row = []
        for j in range(columns):
            a, b = row[j - 1] if j else 0, row[j - 2] if j > 1 else 0
            total, sign = abs(a) + abs(b) + abs(above[j]), 0
            if taps > 1:
                tap = j % taps
                left, up = row[j - 1] if tap % width else 0, row[j - width] if tap >= width else 0
                total += 2 * abs(left) + 2 * abs(up)
                sign = 3 * ((left < 0) + 2 * (left > 0)) + (up < 0) + 2 * (up > 0)
            else:
                total += abs(a)
            row.append(range_code(r, LEVELS[min(total, 25)], sign))
        out += row
        above = row
    return out


def range_entries(r, negative, positive):
    out = []
    for sign, n in ((1, negative), (0, positive)):
        m = -sign
        for _ in range(n):
            k = r.tree(0, 5)
            m += (1 << k) + r.even(k)
            out.append(sign << 31 | m)
    return out


def range_floats(r, n, kept):
    out, last, upper = [], (0, 0), min(kept, 3)
    for _ in range(n):
        value, some = 0, r.bit(sum(last))
        if some:
            value = r.bit(10) << 8 | r.tree(16, 8)
            value = value << upper | r.tree(272, upper)
            value = (value << (kept - upper) | r.even(kept - upper)) << (23 - kept)
        last = (some, last[0])
        out.append(value)
    return out


class Huffman:
    def __init__(self, data):
        self.data, self.at = data, 0

    def bits(self, n):
        value = 0
        for _ in range(n):
            value = value << 1 | (self.data[self.at >> 3] >> (7 - self.at % 8) & 1)
            self.at += 1
        return value

    def table(self, n):
        lengths, codes, code = [self.bits(4) for _ in range(n)], {}, 0
        used = sorted((length, i) for i, length in enumerate(lengths) if length)
        if len(used) == 1:
            return {(0, 0): used[0][1]}
        for k, (length, i) in enumerate(used):
            code <<= length - used[k - 1][0] if k else 0
            codes[length, code] = i
            code += 1
        return codes

    def symbol(self, table):
        length = code = 0
        while (length, code) not in table:
            length, code = length + 1, code << 1 | self.bits(1)
        return table[length, code]

    def codes(self, n):
        entries, symbols, out, at = self.bits(32), self.bits(8) + 1, [0] * n, -1
        gaps, codes = self.table(16), self.table(symbols)
        for _ in range(entries):
            at += self.symbol(gaps) + 1
            symbol = self.symbol(codes)
            out[at] = (symbol + 1) // 2 if symbol & 1 else -(symbol // 2)
        return out


def decode(coding, coder, dims, parameter, payload, check):
    n = 1
    for d in dims:
        n *= d
    rows = dims[0] if len(dims) > 1 else 1
    height, width = dims[2:] if len(dims) == 4 else (1, 1)
    negative, entries = parameter & 0xFFFF, []
    size = negative + (parameter >> 16) if coding == 2 else 0
    if coder == 1:
        entries = list(struct.unpack_from("<%dI" % size, payload))
        stream = Huffman(payload[4 * size:])
        codes = stream.codes(n)
        assert (stream.at + 7) // 8 == len(stream.data), "payload too long"
    else:
        stream = Range(payload)
        stream.reset()
        if coding == 2:
            entries = range_entries(stream, negative, size - negative)
            stream.reset()
        if coding == 0:
            codes = range_floats(stream, n, parameter)
        else:
            codes = range_codes(stream, rows, n // rows, height, width)
        assert stream.at == len(payload) and stream.code == 0, "payload not used up"
    s = t = 0
    for value in entries + (codes if coding == 0 else [c & 0xFFFF for c in codes]):
        s = (s + value) & 0xFFFFFFFF
        t = (t + s) & 0xFFFFFFFF
    assert t ^ ((s << 16 | s >> 16) & 0xFFFFFFFF) == check, "check"
    if coding == 1:
        step = struct.unpack("<f", struct.pack("<I", parameter))[0]
        return struct.pack("<%df" % n, *(c * step for c in codes))  # a double holds the product
    if coding == 2:
        codes = [0 if c == 0 else entries[negative + c - 1] if c > 0 else entries[-c - 1] for c in codes]
    return struct.pack("<%dI" % n, *codes)


def read(data):
    assert data[:8] == b"\x89SQZ\r\n\x1a\n", "magic"
    major, _, flags, length, n, zero, directory, texts = struct.unpack_from("<HHIIHHII", data, 8)
    assert (major, flags, length, zero) == (1, 0, len(data), 0), "header"
    assert hashlib.sha256(data[:-32]).digest() == data[-32:], "trailer"
    at, payload, name = 64, 64 + directory + texts, b""
    identity, out = hashlib.sha256(), []
    for _ in range(n):
        name = name[:data[at]] + data[at + 2:at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
        coding, coder, rank = data[at:at + 3]
        dims = struct.unpack_from("<%dH" % rank, data, at + 3)
        parameter, size, check = struct.unpack_from("<III", data, at + 3 + 2 * rank)
        at += 15 + 2 * rank
        values = decode(coding, coder, dims, parameter, data[payload:payload + size], check)
        payload += size
        identity.update(name + b"\0" + bytes([rank]) + struct.pack("<%dI" % rank, *dims) + values)
        out.append((name.decode(), dims, values))
    assert at == 64 + directory and payload == len(data) - 32, "sizes"
    assert identity.digest() == data[32:64], "identity"
    return out


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        tensors = read(file.read())
    if len(sys.argv) > 2:
        with open(sys.argv[2], "wb") as file:
            for tensor in tensors:
                file.write(tensor[2])
    else:
        for name, dims, values in tensors:
            print(name, *dims, "%08x" % zlib.crc32(values))
