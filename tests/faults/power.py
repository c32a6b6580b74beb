"""What a power cut may leave of a directory, from trace's log of the calls that changed it.

A file's bytes are sure once it has been synchronized, a name once its directory has. Until then each write and each change of
a name may be lost or kept by itself, so that a name may lead to a file whose bytes never arrived."""
import collections, hashlib, os

State = collections.namedtuple("State", "name files")


class Call:
    def __init__(self, line, data, root):
        self.name, path, other, self.offset, size, start = line.rstrip("\n").split("\t")
        self.offset, size, start = int(self.offset), int(size), int(start)
        self.inside = path == root or path.startswith(root + "/")
        self.path, self.other = os.path.relpath(path, root), os.path.relpath(other, root) if other else ""
        self.bytes = data[start:start + size]


def pending_at(calls, cut):
    """The calls before the cut, each with whether it is surely on the disk."""
    names, sure = {}, [False] * cut
    for i, call in enumerate(calls[:cut]):
        if call.name == "sync" and call.path == ".":
            for j in range(i):
                sure[j] |= calls[j].name in ("create", "create-empty", "rename", "unlink", "mkdir", "link")
        elif call.name == "sync":
            file = names.get(call.path)
            for j in range(i):
                sure[j] |= calls[j].name in ("write", "truncate") and calls[j].file == file
        elif call.name.startswith("create"):
            call.file = names.setdefault(call.path, i)
        elif call.name == "rename":
            call.file = names.pop(call.path, None)
            names[call.other] = call.file
        elif call.name == "unlink":
            call.file = names.pop(call.path, None)
        else:
            call.file = names.get(call.path)
    return sure


def build(calls, cut, keep):
    """The files of the directory if just the calls `keep` reached the disk; None without the directory."""
    names, contents, made = {}, collections.defaultdict(bytearray), False
    for i, call in enumerate(calls[:cut]):
        how = keep[i]
        if not how:
            continue
        if call.name == "mkdir":
            made |= call.path == "."
        elif call.name.startswith("create"):
            names[call.path] = call.file
            if call.name == "create-empty":
                contents[call.file] = bytearray()
        elif call.name == "write":
            data = call.bytes if how == 1 else call.bytes[:len(call.bytes) // 2]
            content = contents[call.file]
            content.extend(bytes(max(0, call.offset - len(content))))
            content[call.offset:call.offset + len(data)] = data
        elif call.name == "truncate":
            del contents[call.file][call.offset:]
        elif call.name == "rename":
            names.pop(call.path, None)
            names[call.other] = call.file
        elif call.name == "unlink":
            names.pop(call.path, None)
    return {path: bytes(contents[file]) for path, file in names.items()} if made else None


def states(prefix, root, random, sample):
    with open(prefix + ".data", "rb") as file:
        data = file.read()
    with open(prefix + ".log") as file:
        calls = [call for call in (Call(line, data, root) for line in file) if call.inside]
    seen, found = set(), []
    for cut in range(1, len(calls) + 1):
        sure = pending_at(calls, cut)
        is_data = [call.name in ("write", "truncate") for call in calls[:cut]]
        plans = [("nothing unsynchronized", [s or 0 for s in sure]),
                 ("names only", [int(s or not d) for s, d in zip(sure, is_data)]),
                 ("bytes only", [int(s or d) for s, d in zip(sure, is_data)]),
                 ("all", [1] * cut), ("half of each write", [int(s) or (2 if d else 1) for s, d in zip(sure, is_data)])]
        for i in range(1 if sample else 6):
            plans.append(("chance %d" % i, [int(s) or random.choice((0, 1, 2) if d else (0, 1))
                                            for s, d in zip(sure, is_data)]))
        for name, keep in plans:
            files = build(calls, cut, keep)
            print_of = hashlib.sha256()
            for path in sorted(files or {}):
                print_of.update(repr((path, len(files[path]))).encode() + files[path])
            print_of.update(repr(files is None).encode())
            if print_of.digest() not in seen:
                seen.add(print_of.digest())
                found.append(State("cut after call %d (%s %s), %s" % (cut, calls[cut - 1].name, calls[cut - 1].path,
                                                                      name), (calls, cut, keep)))
    return found


def write_state(state, root):
    files = build(*state.files)
    if files is None:
        return
    os.makedirs(root)
    for path, content in files.items():
        with open(os.path.join(root, path), "wb") as file:
            file.write(content)
