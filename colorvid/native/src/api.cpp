// SPDX-License-Identifier: BSD-3-Clause
#include "api.h"

#include <cstdlib>
#include <new>
#include <stdexcept>

#include "motion.h"
#include "roof.h"

using namespace colorvid;

static const int kInterface = 2;
static const int kMostBlocks = 1 << 13;  // along an axis: pictures of up to 65,536 luma samples

static bool is_grid(int rows, int columns) {
    return rows >= 1 && rows <= kMostBlocks && columns >= 1 && columns <= kMostBlocks;
}

// Whether a grid of blocks of 8x8 luma samples covers a picture just so.
static bool fits(int rows, int columns, int height, int width) {
    return is_grid(rows, columns) && height > 8 * (rows - 1) && height <= 8 * rows &&
           width > 8 * (columns - 1) && width <= 8 * columns;
}

static bool in_range(Field field) {
    const size_t count = static_cast<size_t>(field.rows) * field.columns * 2;
    for (size_t i = 0; i < count; ++i) {
        if (std::abs(static_cast<int>(field.vectors[i])) > kVectorLimit) return false;
    }
    return true;
}

// Runs `work`, whose exceptions must not reach C.
template <class Work>
static int guarded(Work work) {
    try {
        return work();
    } catch (const std::bad_alloc&) {
        return kOutOfMemory;
    } catch (const std::length_error&) {
        return kOutOfMemory;
    }
}

int colorvid_interface() { return kInterface; }

int colorvid_has_level(int level) { return has_level(level); }

double colorvid_roof(int level, double seconds) {
    return has_level(level) ? roof(static_cast<Level>(level), seconds) : 0;
}

MotionState* colorvid_motion_new() { return new (std::nothrow) MotionState(); }

void colorvid_motion_free(MotionState* state) { delete state; }

void colorvid_motion_reset(MotionState* state) { state->reset(); }

int colorvid_motion_encode(MotionState* state, const int16_t* vectors, int rows, int columns,
                           const uint8_t** data, size_t* size) {
    const Field field{vectors, rows, columns};
    if (!is_grid(rows, columns) || !in_range(field)) return kWrongArgument;
    return guarded([&] {
        const std::vector<uint8_t>& bytes = state->encode(field);
        *data = bytes.data();
        *size = bytes.size();
        return kFine;
    });
}

int colorvid_motion_decode(MotionState* state, const uint8_t* data, size_t size, int rows,
                           int columns, int16_t* vectors, int64_t report[2]) {
    if (!is_grid(rows, columns)) return kWrongArgument;
    return guarded([&] {
        RangeDecoder coder(data, size);
        try {
            state->decode(coder, rows, columns, vectors);
        } catch (const VectorOutOfRange& wrong) {
            report[0] = wrong.vector.y;
            report[1] = wrong.vector.x;
            return kWrongVector;
        }
        report[0] = static_cast<int64_t>(coder.position());
        report[1] = coder.ended();
        return kFine;
    });
}

int colorvid_simplify(int level, const MotionState* state, const int16_t* vectors, int rows,
                      int columns, const uint8_t* current, const uint8_t* previous, int height,
                      int width, double weight, const double* prices, int16_t* chosen) {
    const Field field{vectors, rows, columns};
    if (!fits(rows, columns, height, width) || !in_range(field) || !(weight >= 0)) {
        return kWrongArgument;
    }
    return guarded([&] {
        States states = state->states();
        const Choice choice{{current, height, width}, {previous, height, width}, weight, prices};
        simplify(kernels(level), field, choice, states, state->before(rows, columns), chosen);
        return kFine;
    });
}

int colorvid_compensate(int level, int chroma, const uint8_t* reference, int height, int width,
                        const int16_t* vectors, int rows, int columns, uint8_t* predicted) {
    const Field field{vectors, rows, columns};
    if (!fits(rows, columns, height, width) || !in_range(field)) return kWrongArgument;
    return guarded([&] {
        if (chroma) {
            const Plane plane{reference, (height + 1) / 2, (width + 1) / 2};
            compensate_chroma(kernels(level), plane, field, predicted);
        } else {
            compensate_luma(kernels(level), {reference, height, width}, field, predicted);
        }
        return kFine;
    });
}

void colorvid_kernel_filter_line(int level, const uint8_t* src, ptrdiff_t step, const int16_t* taps,
                                 uint8_t* dst, int count) {
    kernels(level).filter_line(src, step, taps, dst, count);
}

void colorvid_kernel_window_errors(int level, const uint8_t* a, ptrdiff_t a_stride,
                                   const uint8_t* b, ptrdiff_t b_stride, int32_t* errors) {
    kernels(level).window_errors(a, a_stride, b, b_stride, errors);
}

void colorvid_kernel_predict(int level, int chroma, const uint8_t* src, ptrdiff_t stride,
                             const int16_t* down, const int16_t* across, int32_t* sums,
                             ptrdiff_t sums_stride) {
    const Kernels& table = kernels(level);
    const PredictWindow predict = chroma ? table.predict_chroma : table.predict_luma;
    predict(src, stride, down, across, sums, sums_stride);
}

void colorvid_kernel_round_line(int level, const int32_t* sums, int bits, uint8_t* dst, int count) {
    kernels(level).round_line(sums, bits, dst, count);
}

void colorvid_kernel_pointwise(int level, const PointwiseLayer* layer, const int16_t* in,
                               ptrdiff_t in_stride, int16_t* out, ptrdiff_t out_stride, int count) {
    kernels(level).pointwise(*layer, in, in_stride, out, out_stride, count);
}

void colorvid_kernel_depthwise(int level, const DepthwiseLayer* layer, const int16_t* const* rows,
                               ptrdiff_t in_stride, int16_t* out, ptrdiff_t out_stride, int count) {
    kernels(level).depthwise(*layer, rows, in_stride, out, out_stride, count);
}

void colorvid_kernel_leaky(int level, int16_t* x, int count) { kernels(level).leaky(x, count); }

void colorvid_kernel_add_features(int level, int16_t* x, const int16_t* y, int count) {
    kernels(level).add_features(x, y, count);
}

void colorvid_kernel_gate(int level, const int16_t* u, const int16_t* v, int16_t* out, int count) {
    kernels(level).gate(u, v, out, count);
}

void colorvid_kernel_scale_latents(int level, const int32_t* y, const float* factor, int16_t* out,
                                   int count) {
    kernels(level).scale_latents(y, factor, out, count);
}

void colorvid_kernel_add_basis(int level, double* sums, const double* basis, double coefficient,
                               int count) {
    kernels(level).add_basis(sums, basis, coefficient, count);
}
