// Two lines of a convolution by Winograd. Before it, define WINDOW, the channels of a
// transform_window(), and that function, multiply() and store_pixels().

static void run_pair(const struct sqz_integer_pair *p)
{
    const ptrdiff_t ldv = (ptrdiff_t)SQZ_INTEGER_TILES * p->channels;
    const ptrdiff_t ldm = SQZ_INTEGER_TILES * SQZ_INTEGER_PANEL;
    int16_t *v = p->scratch;
    int32_t *m = (int32_t *)(v + 16 * ldv);
    for (int first = 0; 2 * first < p->columns; first += SQZ_INTEGER_TILES) {
        const int left = (p->columns + 1) / 2 - first;
        const int tiles = left < SQZ_INTEGER_TILES ? left : SQZ_INTEGER_TILES;
        for (int t = 0; t < tiles; t++)
            for (int c = 0; c < p->channels; c += WINDOW)
                transform_window(p->x + 2 * (first + t) * p->pixel + c, p->pixel, p->row,
                                 v + t * p->channels + c, ldv);
        for (int panel = 0; panel < p->panels; panel++) {
            const int16_t *w = p->weights + (ptrdiff_t)panel * 256 * p->channels;
            for (int f = 0; f < 16; f++)
                multiply(v + f * ldv, p->channels, w + (ptrdiff_t)f * 16 * p->channels, tiles,
                         m + f * ldm);
            for (int t = 0; t < tiles; t++) {
                const int column = 2 * (first + t);
                store_pixels(p, panel, m + t * SQZ_INTEGER_PANEL, ldm, p->y + column * p->ldy,
                             column + 1 < p->columns ? 2 : 1);
            }
        }
    }
}
