// What later frames inherit from frames, by the source pictures alone; for the encoder.
//
// A frame hands on to its references what it takes from them: of its own weight and of what later
// frames take from it, the share that its prediction leaves nothing to mend.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "reference.h"

namespace colorvid {

// A frame of a mini-GOP: its number behind the key or P frame before it, 1..`kMostFrames`, and the
// distances to its references; `future` is 0 for the P frame. C layout: Python fills it.
struct Placed {
    int32_t number, past, future;
};

constexpr int kMostFrames = 16;      // of a mini-GOP
constexpr int kMostToCome = 1 << 20;

// Whether `places`, in decoding order, are those of a mini-GOP: the last frame first, references
// before the frames that refer to them, and no frame twice.
bool are_mini_gop(const Placed* places, int count);

// How much later frames inherit from each picture: the mean over its cells of log2(1 + n), where n
// frames inherit a cell, in 1/256. `pictures`: the frame before the mini-GOP and its `count` frames,
// in order of display, all of one size. `to_come`: frames of the group behind it, which are taken to
// be like it. `search`: whether to look at the pictures; else they are taken to predict each other
// as most do.
void inherit(const Kernels& kernels, const Pyramid* const* pictures, const Placed* places,
             int count, int to_come, bool search, int32_t* means);

}  // namespace colorvid
