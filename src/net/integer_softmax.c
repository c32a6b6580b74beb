// The softmax of the integer network: powers of two from a table, no floating point.
#include "net/integer.h"

// 2^30 * 2^(i/64), rounded.
static const uint32_t powers[65] = {
    1073741824u, 1085434106u, 1097253708u, 1109202018u, 1121280436u, 1133490379u, 1145833280u,
    1158310587u, 1170923762u, 1183674286u, 1196563654u, 1209593378u, 1222764986u, 1236080024u,
    1249540052u, 1263146652u, 1276901417u, 1290805962u, 1304861917u, 1319070932u, 1333434672u,
    1347954824u, 1362633090u, 1377471191u, 1392470869u, 1407633882u, 1422962010u, 1438457051u,
    1454120821u, 1469955159u, 1485961921u, 1502142985u, 1518500250u, 1535035634u, 1551751076u,
    1568648537u, 1585730000u, 1602997467u, 1620452965u, 1638098541u, 1655936265u, 1673968228u,
    1692196547u, 1710623359u, 1729250827u, 1748081133u, 1767116489u, 1786359126u, 1805811301u,
    1825475297u, 1845353420u, 1865448001u, 1885761398u, 1906295993u, 1927054196u, 1948038440u,
    1969251188u, 1990694927u, 2012372174u, 2034285470u, 2056437387u, 2078830522u, 2101467502u,
    2124350982u, 2147483648u,
};

// 2^30 * e^(-below / 65536), from below = 0 on; 0 where less than half a unit would be left.
static uint32_t exponential(int64_t below)
{
    int64_t t = (below * 94548) >> 16; // times log2 e = 94548 / 65536
    int64_t n = t >> 16;
    if (n > 30)
        return 0;
    // 2^-t = 2^(fraction / 65536) / 2^(n + 1), where the fraction is what is missing to the next
    // whole power.
    uint32_t fraction = 65536u - (uint32_t)(t & 65535), i = fraction >> 10, rest = fraction & 1023;
    uint64_t low = powers[i], high = powers[i < 64 ? i + 1 : 64];
    return (uint32_t)((low + (((high - low) * rest) >> 10)) >> (n + 1));
}

void sqz_integer_softmax(const int32_t *logits, int classes, uint32_t *probabilities)
{
    int32_t most = logits[0];
    for (int c = 1; c < classes; c++)
        most = logits[c] > most ? logits[c] : most;
    uint64_t sum = 0;
    for (int c = 0; c < classes; c++) {
        probabilities[c] = exponential((int64_t)most - logits[c]);
        sum += probabilities[c];
    }
    for (int c = 0; c < classes; c++)
        probabilities[c] = (uint32_t)(((uint64_t)probabilities[c] * 65536 + sum / 2) / sum);
}
