// How fast this machine could multiply: what the speed of kernels is compared with.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "cpu.h"

namespace colorvid {

// 10^9 products of 16-bit integers, added up in 32 bits, that one core does in a second with the
// best instruction of a level that this machine has, out of registers alone. The best of many
// runs, each well under a millisecond, within `seconds`. 0 for plain: its compiler chooses.
double roof(Level level, double seconds);

}  // namespace colorvid
