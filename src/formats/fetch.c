// One file over HTTP: continued where an earlier transfer was cut, checked, then put in its place.
#include "formats/fetch.h"

#include "base/file.h"
#include "base/memory.h"
#include "compress/sha256.h"
#include "formats/curl_library.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGEST ((uint64_t)1 << 30) // no published network is near it

struct transfer {
    const struct sqz_fetch *fetch;
    const struct sqz_curl *curl;
    CURL *easy;
    char *part; // the file that grows
    int file;   // its descriptor, locked
    uint64_t kept;
    bool continued;   // some of `kept` is of an earlier answer
    bool answered;    // this attempt's first bytes have come
    bool range_wrong; // the server sent another part than the one that was asked for
    int write_error;  // errno
    bool too_large, stopped;
    char message[CURL_ERROR_SIZE];
};

void sqz_fetch_hash(const void *data, size_t size, char hex[65])
{
    uint8_t digest[32];
    sqz_sha256_of(data, size, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

enum sqz_status sqz_fetch_check(const char *path, const char *sha256, struct sqz_error *err)
{
    struct sqz_bytes bytes = {0};
    char hex[65];
    enum sqz_status status = sqz_file_read(path, LARGEST, &bytes, err);
    if (status || !*sha256)
        goto done;
    sqz_fetch_hash(bytes.data, bytes.size, hex);
    if (strncmp(hex, sha256, strlen(sha256)) != 0)
        status = sqz_fail(err, SQZ_E_DATA,
                          "\"%s\" is not the published file: its SHA-256 begins with %.8s instead "
                          "of %.8s.",
                          path, hex, sha256);
done:
    sqz_bytes_release(&bytes);
    return status;
}

static bool start_over(struct transfer *t)
{
    t->kept = 0;
    t->continued = false;
    return ftruncate(t->file, 0) == 0 && lseek(t->file, 0, SEEK_SET) == 0;
}

// Whether the answer continues the file; a whole file instead of the rest starts it again.
static bool accept_answer(struct transfer *t)
{
    long code = 0;
    struct curl_header *range;
    uint64_t first;
    t->curl->easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &code);
    if (t->kept == 0)
        return true;
    if (code != 206)
        return start_over(t);
    t->continued = true;
    t->range_wrong =
        t->curl->easy_header(t->easy, "Content-Range", 0, CURLH_HEADER, -1, &range) != CURLHE_OK ||
        sscanf(range->value, "bytes %" SCNu64 "-", &first) != 1 || first != t->kept;
    return !t->range_wrong;
}

static size_t take_bytes(char *data, size_t one, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t size = one * n, done = 0;
    errno = 0;
    if (!t->answered && !accept_answer(t)) {
        t->write_error = errno;
        return 0;
    }
    t->answered = true;
    t->too_large = t->kept + size > LARGEST;
    while (done < size && !t->too_large) {
        ssize_t wrote = write(t->file, data + done, size - done);
        if (wrote < 0 && errno != EINTR) {
            t->write_error = errno;
            break;
        }
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    t->kept += done;
    return done;
}

static int tell_progress(void *arg, curl_off_t all, curl_off_t got, curl_off_t up, curl_off_t sent)
{
    struct transfer *t = arg;
    (void)up;
    (void)sent;
    if (!t->fetch->on_progress || !t->answered)
        return 0;
    uint64_t before = t->kept - (uint64_t)got;
    t->stopped =
        !t->fetch->on_progress(t->fetch->arg, t->kept, all > 0 ? before + (uint64_t)all : 0);
    return t->stopped;
}

// The protocols that an address and its redirections may use. Libraries before 7.85 do not know
// the options that take names.
static CURLcode limit_protocols(const struct transfer *t)
{
    const struct sqz_curl *curl = t->curl;
    bool is_secure = strncmp(t->fetch->url, "https:", 6) == 0;
    long both = CURLPROTO_HTTP | CURLPROTO_HTTPS, redirected = is_secure ? CURLPROTO_HTTPS : both;
    CURLcode code = curl->easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (code == CURLE_UNKNOWN_OPTION)
        code = curl->easy_setopt(t->easy, CURLOPT_PROTOCOLS, both);
    if (code)
        return code;
    code =
        curl->easy_setopt(t->easy, CURLOPT_REDIR_PROTOCOLS_STR, is_secure ? "https" : "http,https");
    if (code == CURLE_UNKNOWN_OPTION)
        code = curl->easy_setopt(t->easy, CURLOPT_REDIR_PROTOCOLS, redirected);
    return code;
}

// One request for what is missing.
static CURLcode ask(struct transfer *t)
{
    enum { CONNECT_SECONDS = 20, SILENT_SECONDS = 30, REDIRECTS = 5 };
    const struct sqz_curl *curl = t->curl;
    CURL *easy = t->easy;
    char range[32] = "";
    snprintf(range, sizeof range, "%" PRIu64 "-", t->kept);
    t->answered = t->range_wrong = false;
    t->message[0] = 0;
    CURLcode code = limit_protocols(t);
    if (code)
        return code;
    curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl->easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    curl->easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl->easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl->easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)SILENT_SECONDS);
    curl->easy_setopt(easy, CURLOPT_USERAGENT, "squeezenet/" SQZ_VERSION);
    curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, t->message);
    curl->easy_setopt(easy, CURLOPT_RANGE, t->kept > 0 ? range : NULL);
    curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_bytes);
    curl->easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl->easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl->easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, tell_progress);
    curl->easy_setopt(easy, CURLOPT_XFERINFODATA, t);
    code = curl->easy_setopt(easy, CURLOPT_URL, t->fetch->url); // copies it, which takes memory
    return code ? code : curl->easy_perform(easy);
}

static enum sqz_status explain(const struct transfer *t, CURLcode code, struct sqz_error *err)
{
    const char *url = t->fetch->url;
    const char *why = t->message[0] ? t->message : t->curl->easy_strerror(code);
    long answer = 0;
    char kept[64] = "";
    if (t->write_error)
        return sqz_fail_errno(err, SQZ_E_CANTWRITE, t->write_error,
                              "\"%s\" could not be written while fetching", t->part);
    if (t->too_large)
        return sqz_fail(err, SQZ_E_DATA, "\"%s\" is larger than any model.", url);
    if (*t->fetch->sha256 && t->kept > 0)
        snprintf(kept, sizeof kept, "; the %" PRIu64 " bytes so far are kept", t->kept);
    if (code == CURLE_OUT_OF_MEMORY)
        return sqz_fail_memory(err, "a transfer", 0);
    if (t->stopped)
        return sqz_fail(err, SQZ_E_STOPPED, "Fetching \"%s\" was stopped%s.", url, kept);
    if (code == CURLE_HTTP_RETURNED_ERROR) {
        t->curl->easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &answer);
        return sqz_fail(err, answer < 500 ? SQZ_E_NOINPUT : SQZ_E_IO,
                        "\"%s\" could not be fetched: the server answered %ld.", url, answer);
    }
    return sqz_fail(err, SQZ_E_IO, "\"%s\" could not be fetched: %s%s.", url, why, kept);
}

// Whether the server has nothing for the range, as when the file there became shorter.
static bool is_refused_range(const struct transfer *t, CURLcode code)
{
    long answer = 0;
    if (code != CURLE_HTTP_RETURNED_ERROR)
        return t->range_wrong;
    t->curl->easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &answer);
    return answer == 416;
}

static bool is_cut(CURLcode code)
{
    return code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING ||
           code == CURLE_OPERATION_TIMEDOUT || code == CURLE_HTTP2_STREAM;
}

// Asks again while a cut connection brings something each time.
static enum sqz_status receive(struct transfer *t, struct sqz_error *err)
{
    for (;;) {
        uint64_t before = t->kept;
        CURLcode code = ask(t);
        if (code == CURLE_OK)
            return SQZ_OK;
        if (before > 0 && is_refused_range(t, code) && start_over(t))
            continue;
        bool went_on = is_cut(code) && t->kept > before;
        if (!went_on || t->write_error || t->too_large || t->stopped)
            return explain(t, code, err);
    }
}

// Opens the file that grows. A link that somebody put there is removed, its target never touched;
// so is a file that has a second name elsewhere.
static int open_own(const char *path)
{
    struct stat info;
    for (;;) {
        int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
        if (file < 0 && errno != ELOOP)
            return -1;
        if (file >= 0) {
            if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink <= 1)
                return file;
            close(file);
        }
        if (unlink(path) != 0 && errno != ENOENT)
            return -1;
    }
}

// Opens and locks the file that grows. Who had the lock before may have moved or removed it: then
// the name means another file by now.
static bool lock_part(struct transfer *t)
{
    struct stat mine, named;
    for (;;) {
        t->file = open_own(t->part);
        if (t->file < 0 || flock(t->file, LOCK_EX) || fstat(t->file, &mine))
            return false;
        t->kept = (uint64_t)mine.st_size;
        if (lstat(t->part, &named) == 0 && named.st_ino == mine.st_ino &&
            named.st_dev == mine.st_dev)
            return true;
        close(t->file);
    }
}

static enum sqz_status open_part(struct transfer *t, struct sqz_error *err)
{
    if (!lock_part(t))
        return sqz_fail_errno(err, SQZ_E_CANTWRITE, errno, "\"%s\" cannot be created", t->part);
    t->continued = t->kept > 0;
    bool usable = *t->fetch->sha256 && t->kept < LARGEST;
    if ((!usable && !start_over(t)) || lseek(t->file, 0, SEEK_END) < 0)
        return sqz_fail_errno(err, SQZ_E_CANTWRITE, errno, "\"%s\" cannot be written", t->part);
    return SQZ_OK;
}

static enum sqz_status fetch_part(struct transfer *t, struct sqz_error *err)
{
    // What was continued may be two halves of different files: then once more from the start.
    for (int attempt = 0; attempt == 0 || (attempt == 1 && t->continued && start_over(t));
         attempt++) {
        enum sqz_status status = receive(t, err);
        if (!status)
            status = sqz_fetch_check(t->part, t->fetch->sha256, err);
        if (status != SQZ_E_DATA || t->too_large)
            return status;
    }
    unlink(t->part);
    return sqz_fail(err, SQZ_E_DATA,
                    "\"%s\" gave another file than the published one (its SHA-256 does not begin "
                    "with %.8s), so it was thrown away.",
                    t->fetch->url, t->fetch->sha256);
}

static bool is_fetched(const struct sqz_fetch *fetch)
{
    return *fetch->sha256 && sqz_fetch_check(fetch->path, fetch->sha256, NULL) == SQZ_OK;
}

static enum sqz_status make_parent(const char *path, struct sqz_error *err)
{
    char *dir = sqz_copy_string_n(path, (size_t)(sqz_path_name(path) - path));
    if (!dir)
        return sqz_fail_memory(err, "a path", strlen(path));
    enum sqz_status status = *dir ? sqz_dir_make(dir, err) : SQZ_OK;
    sqz_free(dir);
    return status;
}

enum sqz_status sqz_fetch_file(const struct sqz_fetch *fetch, struct sqz_error *err)
{
    if (is_fetched(fetch))
        return SQZ_OK;
    struct transfer t = {.fetch = fetch, .file = -1};
    struct sqz_text part = {0};
    sqz_text_add(&part, "%s.part", fetch->path);
    t.part = part.data;
    enum sqz_status status =
        part.failed ? sqz_fail_memory(err, "a path", part.length) : sqz_curl_open(&t.curl, err);
    if (!status)
        status = make_parent(fetch->path, err);
    if (!status && !(t.easy = t.curl->easy_init()))
        status = sqz_fail_memory(err, "a transfer", 0);
    if (!status)
        status = open_part(&t, err);
    // Another process may have fetched it while this one waited for the lock.
    if (status || is_fetched(fetch))
        goto done;
    status = fetch_part(&t, err);
    if (!status && (fsync(t.file) || rename(t.part, fetch->path)))
        status = sqz_fail_errno(err, SQZ_E_CANTWRITE, errno, "\"%s\" cannot be put in its place",
                                fetch->path);
done:
    // What the next call cannot continue is no use to anybody.
    if (status && t.file >= 0 && (t.kept == 0 || !*fetch->sha256))
        unlink(t.part);
    if (t.file >= 0)
        close(t.file);
    if (t.easy)
        t.curl->easy_cleanup(t.easy);
    sqz_text_release(&part);
    return status;
}
