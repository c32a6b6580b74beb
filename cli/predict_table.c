// Files that grow row by row, under another name until they are complete.
#include "cli/predict.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum sqz_status predict_table_open(struct predict_table *table, const struct cli *cli,
                                   const char *path)
{
    *table = (struct predict_table){.path = path};
    if (!path)
        return SQZ_OK;
    if (strcmp(path, "-") == 0) {
        table->file = stdout;
        return SQZ_OK;
    }
    if (!cli_has(cli, "force") && access(path, F_OK) == 0)
        return cli_complain(SQZ_E_CANTWRITE, "\"%s\" exists; --force overwrites it.", path);
    if (asprintf(&table->part, "%s.part", path) < 0) {
        table->part = NULL;
        return cli_complain(SQZ_E_NOMEM, "There is not enough memory to start.");
    }
    table->file = fopen(table->part, "w");
    if (!table->file && errno == ENOMEM)
        return cli_complain(SQZ_E_NOMEM, "There is not enough memory to start.");
    if (!table->file)
        return cli_complain(SQZ_E_CANTWRITE, "Cannot write %s: %s.", table->part, strerror(errno));
    return SQZ_OK;
}

enum sqz_status predict_table_close(struct predict_table *table, bool keep)
{
    enum sqz_status status = SQZ_OK;
    errno = 0;
    if (table->file == stdout) {
        if (keep && table->cut)
            status = cli_complain(SQZ_E_NOMEM, "There is not enough memory for a name.");
        keep = false; // there is nothing to rename
    } else if (table->file) {
        bool written = fflush(table->file) == 0 && !ferror(table->file) && !table->cut;
        int reason = table->cut ? ENOMEM : errno;
        // Interrupted, it is closed nevertheless.
        written = (fclose(table->file) == 0 || errno == EINTR) && written;
        while (keep && written && rename(table->part, table->path) != 0) {
            reason = errno;
            written = reason == EINTR;
        }
        if (keep && !written)
            status =
                cli_complain(reason == ENOMEM ? SQZ_E_NOMEM : SQZ_E_CANTWRITE,
                             "Cannot write %s: %s.", table->path, strerror(reason ? reason : EIO));
        if (!keep || !written)
            unlink(table->part);
    }
    free(table->part);
    *table = (struct predict_table){0};
    return status;
}

void predict_table_cell(struct predict_table *table, const char *text)
{
    char cell[512], *long_cell = NULL;
    size_t length = sqz_text_escape(SQZ_TEXT_CSV, text, cell, sizeof cell);
    if (length >= sizeof cell && (long_cell = malloc(length + 1)))
        sqz_text_escape(SQZ_TEXT_CSV, text, long_cell, length + 1);
    table->cut |= length >= sizeof cell && !long_cell;
    fputs(long_cell ? long_cell : cell, table->file);
    free(long_cell);
}
