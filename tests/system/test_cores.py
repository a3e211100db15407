import threading

import pytest
import torch

from colorvid.system.cores import one_torch_thread


def test_torch_works_with_one_thread_in_every_worker_and_is_restored() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    seen = []
    try:
        with pytest.raises(RuntimeError), one_torch_thread():
            worker = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
            worker.start()
            worker.join()
            raise RuntimeError
        assert seen == [1]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
