// SPDX-License-Identifier: BSD-3-Clause
#include "reference.h"

#include <cstring>

namespace colorvid {

constexpr int kTaps = 8;
constexpr int kSmallest = 16;  // side of a level of the pyramid

// A row of a plane, or the nearest one, with `before` copies of its first sample and as many of its
// last one as make `width` samples.
static void pad_line(Plane plane, int row, int before, uint8_t* to, int width) {
    const int inside = std::min(plane.width, width - before);
    const uint8_t* from = plane.samples +
                          static_cast<ptrdiff_t>(std::clamp(row, 0, plane.height - 1)) * plane.width;
    std::memset(to, from[0], before);
    std::memcpy(to + before, from, inside);
    std::memset(to + before + inside, from[inside - 1], width - before - inside);
}

Padded::Padded(Plane plane, int before, int height, int width)
    : height(height), width(width), samples_(static_cast<size_t>(height) * width) {
    for (int y = 0; y < height; ++y) {
        pad_line(plane, y - before, before, &samples_[static_cast<size_t>(y) * width], width);
    }
}

void Upsampled::fill(const Kernels& kernels, Plane plane) {
    static_assert(2 * kMargin % kSide == 0, "whole bands");
    tall = rounded_up(plane.height, kSide) + 2 * kMargin;
    wide = rounded_up(plane.width, kSide) + 2 * kMargin;
    const size_t needed = static_cast<size_t>(16) * tall * wide;
    if (needed > room_) {
        room_ = 0;
        samples_.reset(new uint8_t[needed]);
        room_ = needed;
    }
    // In bands, so that the lines that are filtered across stay in the cache: of each phase along
    // a line those of a band, and what the filter needs of the next one.
    constexpr int kBefore = kTaps / 2 - 1, kBand = kSide, kLines = kBand + kTaps - 1;
    const size_t phase = static_cast<size_t>(kLines) * wide;
    std::vector<uint8_t> lines(4 * phase), padded(wide + kTaps - 1);
    int ready = 0;  // lines of this band
    for (int top = 0; top < tall; top += kBand) {
        for (; ready < kLines; ++ready) {
            pad_line(plane, top + ready - kBefore - kMargin, kMargin + kBefore, padded.data(),
                     wide + kTaps - 1);
            uint8_t* to = &lines[static_cast<size_t>(ready) * wide];
            std::memcpy(to, &padded[kBefore], wide);
            for (int x = 1; x < 4; ++x) {
                kernels.filter_line(padded.data(), 1, kLumaTaps[x], to + x * phase, wide);
            }
        }
        for (int x = 0; x < 4; ++x) {
            uint8_t* first = &lines[x * phase];
            std::memcpy(&samples_[place(x, top)], first + static_cast<size_t>(kBefore) * wide,
                        static_cast<size_t>(kBand) * wide);
            for (int row = 0; row < kBand; ++row) {
                for (int y = 1; y < 4; ++y) {
                    kernels.filter_line(first + static_cast<size_t>(row) * wide, wide,
                                        kLumaTaps[y], &samples_[place(4 * y + x, top + row)],
                                        wide);
                }
            }
            std::memmove(first, first + static_cast<size_t>(kBand) * wide,
                         static_cast<size_t>(kLines - kBand) * wide);
        }
        ready = kLines - kBand;
    }
}

// Half the size, rounded up; odd edges repeat the last row or column.
static std::vector<uint8_t> halved(Plane plane) {
    const int height = (plane.height + 1) / 2, width = (plane.width + 1) / 2;
    std::vector<uint8_t> result(static_cast<size_t>(height) * width);
    for (int y = 0; y < height; ++y) {
        const uint8_t* upper = plane.samples + static_cast<ptrdiff_t>(2 * y) * plane.width;
        const uint8_t* lower = 2 * y + 1 < plane.height ? upper + plane.width : upper;
        uint8_t* to = &result[static_cast<size_t>(y) * width];
        for (int x = 0; x < plane.width / 2; ++x) {
            const int sum = upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1];
            to[x] = static_cast<uint8_t>((sum + 2) >> 2);
        }
        if (plane.width % 2) {
            const int last = plane.width - 1;
            to[width - 1] = static_cast<uint8_t>((upper[last] + lower[last] + 1) >> 1);
        }
    }
    return result;
}

Pyramid::Pyramid(Plane plane) : height(plane.height), width(plane.width) {
    std::vector<uint8_t> samples;
    while (levels() < kMostLevels && std::min(plane.height, plane.width) >= 2 * kSmallest) {
        samples = halved(plane);
        plane = {samples.data(), (plane.height + 1) / 2, (plane.width + 1) / 2};
        levels_.emplace_back(plane, kMargin, rounded_up(plane.height, kCell) + 2 * kMargin,
                             rounded_up(plane.width, kCell) + 2 * kMargin);
    }
}

}  // namespace colorvid
