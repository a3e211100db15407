// SPDX-License-Identifier: BSD-3-Clause
#include "compensate.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace colorvid {

const int16_t kLumaTaps[4][8] = {{0, 0, 0, 64, 0, 0, 0, 0},
                                 {-1, 4, -10, 58, 17, -5, 1, 0},
                                 {-1, 4, -11, 40, 40, -11, 4, -1},
                                 {0, 1, -5, 17, 58, -10, 4, -1}};
static const int16_t kChromaTaps[8][4] = {{0, 64, 0, 0},    {-2, 58, 10, -2}, {-4, 54, 16, -2},
                                          {-6, 46, 28, -4}, {-4, 36, 36, -4}, {-4, 28, 46, -6},
                                          {-2, 16, 54, -4}, {-2, 10, 58, -2}};

// A window of samples, those outside of the picture copied from its edge.
struct Window {
    const uint8_t* samples;
    ptrdiff_t stride;
};

// The window of `size` x `size` samples at `top`, `left`: inside the plane, or copied to `room`.
static Window window_at(Plane plane, int top, int left, int size, uint8_t* room) {
    if (top >= 0 && left >= 0 && top + size <= plane.height && left + size <= plane.width) {
        return {plane.samples + static_cast<ptrdiff_t>(top) * plane.width + left, plane.width};
    }
    for (int y = 0; y < size; ++y) {
        const int row = std::clamp(top + y, 0, plane.height - 1);
        const uint8_t* line = plane.samples + static_cast<ptrdiff_t>(row) * plane.width;
        for (int x = 0; x < size; ++x) {
            room[y * size + x] = line[std::clamp(left + x, 0, plane.width - 1)];
        }
    }
    return {room, size};
}

// What differs between luma and chroma: `Block` samples a side, `Taps` coefficients, `1 << Shift`
// phases, weights of the blending that add up to `1 << RampBits` along an axis.
template <int Block, int Taps, int Shift, int RampBits>
class Predictor {
public:
    Predictor(PredictWindow predict, const int16_t (*taps)[Taps], RoundLine round)
        : predict_(predict), taps_(taps), round_(round) {}

    // Blocks from one before the first row to one behind the last; rows of samples between the
    // middles of two rows of blocks are complete once both have been added.
    void run(Plane plane, Field field, uint8_t* predicted) {
        const ptrdiff_t stride = static_cast<ptrdiff_t>(field.columns + 2) * Block + Block;
        std::vector<int32_t> sums(2 * Block * stride, 0);
        for (int row = -1; row <= field.rows; ++row) {
            for (int column = -1; column <= field.columns; ++column) {
                add_block(plane, field, row, column, &sums[(column + 1) * Block], stride);
            }
            write_rows(plane, row * Block - Block / 2, sums.data(), stride, predicted);
            std::copy(sums.begin() + Block * stride, sums.end(), sums.begin());
            std::fill(sums.begin() + Block * stride, sums.end(), 0);
        }
    }

private:
    // A ring of copied vectors around the grid gives edge blocks neighbours that agree with them.
    void add_block(Plane plane, Field field, int row, int column, int32_t* sums, ptrdiff_t stride) {
        constexpr int kReach = 2 * Block + Taps - 1, kBefore = Block / 2 + Taps / 2 - 1;
        const int inner_row = std::clamp(row, 0, field.rows - 1);
        const int inner_column = std::clamp(column, 0, field.columns - 1);
        const int16_t* vector =
            field.vectors + 2 * (static_cast<ptrdiff_t>(inner_row) * field.columns + inner_column);
        const int dy = vector[0], dx = vector[1], phases = (1 << Shift) - 1;
        uint8_t room[kReach * kReach];
        const Window window = window_at(plane, row * Block - kBefore + (dy >> Shift),
                                        column * Block - kBefore + (dx >> Shift), kReach, room);
        predict_(window.samples, window.stride, taps_[dy & phases], taps_[dx & phases], sums,
                 stride);
    }

    // Round the first `Block` rows of `sums`, which begin at row `top` of the picture.
    void write_rows(Plane plane, int top, const int32_t* sums, ptrdiff_t stride,
                    uint8_t* predicted) {
        for (int y = 0; y < Block; ++y) {
            const int row = top + y;
            if (row < 0 || row >= plane.height) continue;
            round_(sums + y * stride + Block + Block / 2, 4 + 2 * RampBits,
                   predicted + static_cast<ptrdiff_t>(row) * plane.width, plane.width);
        }
    }

    PredictWindow predict_;
    const int16_t (*taps_)[Taps];
    RoundLine round_;
};

void compensate_luma(const Kernels& kernels, Plane reference, Field field, uint8_t* predicted) {
    Predictor<8, 8, 2, 4>(kernels.predict_luma, kLumaTaps, kernels.round_line)
        .run(reference, field, predicted);
}

void compensate_chroma(const Kernels& kernels, Plane reference, Field field, uint8_t* predicted) {
    Predictor<4, 4, 3, 3>(kernels.predict_chroma, kChromaTaps, kernels.round_line)
        .run(reference, field, predicted);
}

}  // namespace colorvid
