// SPDX-License-Identifier: BSD-3-Clause
#include "reference.h"

#include <cstring>

namespace colorvid {

constexpr int kTaps = 8;
constexpr int kSmallest = 16;  // side of a level of the pyramid

Padded::Padded(Plane plane, int before, int height, int width)
    : height(height), width(width), samples_(static_cast<size_t>(height) * width) {
    const int inside = std::min(plane.width, width - before);
    for (int y = 0; y < height; ++y) {
        const int row = std::clamp(y - before, 0, plane.height - 1);
        const uint8_t* from = plane.samples + static_cast<ptrdiff_t>(row) * plane.width;
        uint8_t* to = &samples_[static_cast<size_t>(y) * width];
        std::memset(to, from[0], before);
        std::memcpy(to + before, from, inside);
        std::memset(to + before + inside, from[inside - 1], width - before - inside);
    }
}

void Upsampled::fill(const Kernels& kernels, Plane plane) {
    tall = rounded_up(plane.height, kSide) + 2 * kMargin;
    wide = rounded_up(plane.width, kSide) + 2 * kMargin;
    const size_t needed = static_cast<size_t>(16) * tall * wide;
    if (needed > room_) {
        room_ = 0;
        samples_.reset(new uint8_t[needed]);
        room_ = needed;
    }
    const int before = kTaps / 2 - 1;
    const Padded base(plane, kMargin + before, tall + kTaps - 1, wide + kTaps - 1);
    std::vector<uint8_t> lines(static_cast<size_t>(base.height) * wide);
    for (int x = 0; x < 4; ++x) {
        for (int row = 0; row < base.height; ++row) {
            uint8_t* to = &lines[static_cast<size_t>(row) * wide];
            if (x == 0) {
                std::memcpy(to, base.at(row, before), wide);
            } else {
                kernels.filter_line(base.at(row, 0), 1, kLumaTaps[x], to, wide);
            }
        }
        std::memcpy(&samples_[place(x, 0)], &lines[static_cast<size_t>(before) * wide],
                    static_cast<size_t>(tall) * wide);
        for (int row = 0; row < tall; ++row) {
            const uint8_t* from = &lines[static_cast<size_t>(row) * wide];
            for (int y = 1; y < 4; ++y) {
                kernels.filter_line(from, wide, kLumaTaps[y], &samples_[place(4 * y + x, row)],
                                    wide);
            }
        }
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

Pyramid::Pyramid(Plane plane) {
    std::vector<uint8_t> samples;
    while (levels() < kMostLevels && std::min(plane.height, plane.width) >= 2 * kSmallest) {
        samples = halved(plane);
        plane = {samples.data(), (plane.height + 1) / 2, (plane.width + 1) / 2};
        levels_.emplace_back(plane, kMargin, rounded_up(plane.height, kCell) + 2 * kMargin,
                             rounded_up(plane.width, kCell) + 2 * kMargin);
    }
}

}  // namespace colorvid
