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
template <class Sample>
struct Window {
    const Sample* samples;
    ptrdiff_t stride;
};

// The window of `size` x `size` samples at `top`, `left`: inside the plane, or copied to `room`.
template <class Sample>
static Window<Sample> window_at(PlaneOf<Sample> plane, int top, int left, int size, Sample* room) {
    if (top >= 0 && left >= 0 && top + size <= plane.height && left + size <= plane.width) {
        return {plane.samples + static_cast<ptrdiff_t>(top) * plane.width + left, plane.width};
    }
    for (int y = 0; y < size; ++y) {
        const int row = std::clamp(top + y, 0, plane.height - 1);
        const Sample* line = plane.samples + static_cast<ptrdiff_t>(row) * plane.width;
        for (int x = 0; x < size; ++x) {
            room[y * size + x] = line[std::clamp(left + x, 0, plane.width - 1)];
        }
    }
    return {room, size};
}

// What differs between luma and chroma: `Block` samples a side, `Taps` coefficients, `1 << Shift`
// phases, weights of the blending that add up to `1 << RampBits` along an axis.
template <class Sample, int Block, int Taps, int Shift, int RampBits>
class Predictor {
public:
    Predictor(PredictWindow<Sample> predict, const int16_t (*taps)[Taps], RoundLine<Sample> round)
        : predict_(predict), taps_(taps), round_(round) {}

    // Blocks from one before the first row to one behind the last; rows of samples between the
    // middles of two rows of blocks are complete once both have been added. Blocks with one
    // reference count twice as much as each of the two predictions of others: they have sums of
    // their own.
    void run(References<Sample> references, const Prediction& motion, Sample* predicted) {
        const Field grid = motion.past;
        const ptrdiff_t stride = static_cast<ptrdiff_t>(grid.columns + 2) * Block + Block;
        std::vector<int32_t> single(2 * Block * stride, 0);
        std::vector<int32_t> both(motion.uses ? single.size() : 0, 0);
        for (int row = -1; row <= grid.rows; ++row) {
            for (int column = -1; column <= grid.columns; ++column) {
                const ptrdiff_t at = (column + 1) * Block;
                const int inner_row = std::clamp(row, 0, grid.rows - 1);
                const int inner_column = std::clamp(column, 0, grid.columns - 1);
                const Use use = motion.use(inner_row / 2, inner_column / 2);
                int32_t* sums = use == kBoth ? &both[at] : &single[at];
                const ptrdiff_t block =
                    2 * (static_cast<ptrdiff_t>(inner_row) * grid.columns + inner_column);
                if (uses_past(use)) {
                    add_block(references.past, motion.past.vectors + block, row, column, sums,
                              stride);
                }
                if (uses_future(use)) {
                    add_block(references.future, motion.future.vectors + block, row, column, sums,
                              stride);
                }
            }
            const int top = row * Block - Block / 2;
            write_rows(references.past, top, single, both, stride, predicted);
            roll(single, stride);
            if (motion.uses) roll(both, stride);
        }
    }

private:
    // The ring of blocks around the grid has the vectors of the nearest ones, so that edge blocks
    // have neighbours that agree with them.
    void add_block(PlaneOf<Sample> plane, const int16_t* vector, int row, int column, int32_t* sums,
                   ptrdiff_t stride) {
        constexpr int kReach = 2 * Block + Taps - 1, kBefore = Block / 2 + Taps / 2 - 1;
        const int dy = vector[0], dx = vector[1], phases = (1 << Shift) - 1;
        Sample room[kReach * kReach];
        const Window<Sample> window =
            window_at(plane, row * Block - kBefore + (dy >> Shift),
                      column * Block - kBefore + (dx >> Shift), kReach, room);
        predict_(window.samples, window.stride, taps_[dy & phases], taps_[dx & phases], sums,
                 stride);
    }

    // Round the first `Block` rows of the sums, which begin at row `top` of the picture.
    void write_rows(PlaneOf<Sample> plane, int top, std::vector<int32_t>& single,
                    const std::vector<int32_t>& both, ptrdiff_t stride, Sample* predicted) {
        const bool pair = !both.empty();
        for (int y = 0; y < Block; ++y) {
            const int row = top + y;
            if (row < 0 || row >= plane.height) continue;
            const ptrdiff_t first = y * stride + Block + Block / 2;
            int32_t* sums = &single[first];
            for (int x = 0; pair && x < plane.width; ++x) sums[x] = 2 * sums[x] + both[first + x];
            round_(sums, kFraction<Sample> + 2 * RampBits + pair,
                   predicted + static_cast<ptrdiff_t>(row) * plane.width, plane.width);
        }
    }

    // Forget the first `Block` rows of the sums.
    static void roll(std::vector<int32_t>& sums, ptrdiff_t stride) {
        std::copy(sums.begin() + Block * stride, sums.end(), sums.begin());
        std::fill(sums.begin() + Block * stride, sums.end(), 0);
    }

    PredictWindow<Sample> predict_;
    const int16_t (*taps_)[Taps];
    RoundLine<Sample> round_;
};

template <class Sample>
void compensate_luma(const Kernels& kernels, References<Sample> references,
                     const Prediction& motion, Sample* predicted) {
    const SampleKernels<Sample>& table = kernels.of<Sample>();
    Predictor<Sample, 8, 8, 2, 4>(table.predict_luma, kLumaTaps, table.round_line)
        .run(references, motion, predicted);
}

template <class Sample>
void compensate_chroma(const Kernels& kernels, References<Sample> references,
                       const Prediction& motion, Sample* predicted) {
    const SampleKernels<Sample>& table = kernels.of<Sample>();
    Predictor<Sample, 4, 4, 3, 3>(table.predict_chroma, kChromaTaps, table.round_line)
        .run(references, motion, predicted);
}

template void compensate_luma(const Kernels&, References<uint8_t>, const Prediction&, uint8_t*);
template void compensate_luma(const Kernels&, References<uint16_t>, const Prediction&, uint16_t*);
template void compensate_chroma(const Kernels&, References<uint8_t>, const Prediction&, uint8_t*);
template void compensate_chroma(const Kernels&, References<uint16_t>, const Prediction&,
                                uint16_t*);

}  // namespace colorvid
