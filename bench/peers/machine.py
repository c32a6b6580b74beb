"""Tells when this machine is not itself, so that such samples can be taken again.

With every processor in a team, one that is stolen for a while halves the speed of most engines. The
thief may be another program, seen in /proc/stat, or the hypervisor, which now and then lets two
virtual processors share one core: nothing tells but the FMA peak, which halves, too."""
import os
import time

from contestants import TICK, run_json

OTHERS, PEAK_SHARE, ATTEMPTS, PAUSE = 0.05, 0.93, 8, 1.0


def busy_seconds():
    """What all processors have worked, for whomever."""
    with open("/proc/stat") as stat:
        user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICK


class Machine:
    def __init__(self, program, env):
        self.program, self.env, self.best = program, env, {}

    def peak_share(self, threads):
        """The FMA peak of this moment, as a share of the best so far."""
        if threads not in self.best:
            self.best[threads] = max(self.peak(threads, pause=PAUSE) for _ in range(4))
        now = self.peak(threads)
        self.best[threads] = max(now, self.best[threads])
        return now / self.best[threads]

    def peak(self, threads, pause=0):
        time.sleep(pause)
        return run_json([self.program, "bench", "squeezenet1_1", "--threads", str(threads),
                         "--seconds", "0.001", "--json"], self.env)["peak_gflops"]

    def sample(self, contestant, seconds):
        """An undisturbed sample; after some attempts a disturbed one, marked so."""
        threads = min(contestant.threads, os.cpu_count())
        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            if self.peak_share(threads) < PEAK_SHARE and not last:
                time.sleep(PAUSE)
                continue
            begin, busy, own = time.perf_counter(), busy_seconds(), contestant.cpu_seconds()
            sample = contestant.time(seconds)
            others = busy_seconds() - busy - (contestant.cpu_seconds() - own)
            quiet = others <= OTHERS * (time.perf_counter() - begin)
            if not sample or (quiet and self.peak_share(threads) >= PEAK_SHARE):
                return sample
            if not last:
                time.sleep(PAUSE)
        return dict(sample, disturbed=True)
