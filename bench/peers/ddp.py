"""One of two processes that train SqueezeNet 1.1 with PyTorch's DistributedDataParallel over gloo,
one thread each: ddp.py RANK ADDRESS INTERFACE SECONDS

Steps with the exchange of gradients and steps without it (no_sync, both processes at work all the
same) take turns; rank 0 prints {"with": [ms], "without": [ms]}. Random images of 224 pixels, 32
a process."""
import json
import os
import sys
import time

BATCH, LEAST_PAIRS = 32, 5


def main():
    rank, address, interface, seconds = sys.argv[1:]
    os.environ.update(MASTER_ADDR=address, MASTER_PORT="29511", RANK=rank, WORLD_SIZE="2",
                      GLOO_SOCKET_IFNAME=interface, OMP_NUM_THREADS="1")
    import torch
    import torchvision
    from torch import distributed
    torch.set_num_threads(1)
    torch.manual_seed(0)
    distributed.init_process_group("gloo")
    model = torchvision.models.squeezenet1_1().to(memory_format=torch.channels_last)
    model = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    loss = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    x = torch.randn(BATCH, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    y = torch.arange(BATCH)

    def step():
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    def timed(work):
        distributed.barrier()
        begin = time.perf_counter()
        work()
        return 1e3 * (time.perf_counter() - begin)

    def alone():
        with model.no_sync():
            step()

    for _ in range(2):  # DDP orders its buckets after the first step
        step()
    times = {"with": [], "without": []}
    begin = time.perf_counter()
    goes_on = torch.ones(1)
    while goes_on[0]:
        times["with"].append(timed(step))
        times["without"].append(timed(alone))
        late = time.perf_counter() - begin > float(seconds)
        goes_on[0] = float(len(times["with"]) < LEAST_PAIRS or not late)
        distributed.broadcast(goes_on, 0)
    if rank == "0":
        print(json.dumps(times))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
