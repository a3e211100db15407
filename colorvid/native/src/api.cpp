// SPDX-License-Identifier: BSD-3-Clause
#include "api.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

#include "motion.h"
#include "roof.h"

using namespace colorvid;

static const int kInterface = 3;
static const int kMostBlocks = 1 << 13;  // along an axis: pictures of up to 65,536 luma samples
static const int64_t kMostWeight = int64_t{1} << 30;

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

Reference* colorvid_reference_new() { return new (std::nothrow) Reference(); }

int colorvid_reference_fill(int level, Reference* reference, const uint8_t* luma, int height,
                            int width) {
    if (height < 1 || width < 1 || height > kMostSide || width > kMostSide) return kWrongArgument;
    return guarded([&] {
        reference->fill(kernels(level), {luma, height, width});
        return kFine;
    });
}

void colorvid_reference_free(Reference* reference) { delete reference; }

int colorvid_estimate(int level, const MotionState* state, const Reference* reference,
                      const uint8_t* current, const int16_t* hint, int rows, int columns,
                      int64_t weight, int16_t* chosen) {
    const Field field{hint, rows, columns};
    if (!fits(rows, columns, reference->height, reference->width) || (hint && !in_range(field)) ||
        weight < 0 || weight > kMostWeight) {
        return kWrongArgument;
    }
    return guarded([&] {
        States states = state->states();
        const Plane plane{current, reference->height, reference->width};
        Search search(kernels(level), plane, *reference, hint ? &field : nullptr, weight);
        choose(search, rows, columns, weight, states, state->before(rows, columns), chosen);
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

// Symbols

static bool are_rows(const int32_t* index, int count, int rows) {
    return std::all_of(index, index + count, [&](int row) { return row >= 0 && row < rows; });
}

int colorvid_symbols_read(const int32_t* cdf, const int32_t* sizes, int rows, int longest,
                          const int32_t* index, int count, const uint8_t* data, size_t size,
                          int32_t* symbols) {
    if (!SymbolTables::fit(cdf, sizes, rows, longest) || count < 0 ||
        !are_rows(index, count, rows)) {
        return kWrongArgument;
    }
    return guarded([&] {
        const SymbolTables tables(cdf, sizes, rows, longest);
        SymbolDecoder decoder(data, size);
        for (int i = 0; i < count; ++i) symbols[i] = decoder.read(tables, index[i]);
        return kFine;
    });
}

int colorvid_symbols_write(const int32_t* cdf, const int32_t* sizes, int rows, int longest,
                           const int32_t* index, int count, const int32_t* symbols, uint8_t* data,
                           size_t room, size_t* size) {
    const auto allowed = [](int32_t symbol) { return std::abs(int64_t{symbol}) <= kMaxSymbol; };
    if (!SymbolTables::fit(cdf, sizes, rows, longest) || count < 0 ||
        !are_rows(index, count, rows) || !std::all_of(symbols, symbols + count, allowed)) {
        return kWrongArgument;
    }
    return guarded([&] {
        const SymbolTables tables(cdf, sizes, rows, longest);
        SymbolEncoder encoder;
        for (int i = 0; i < count; ++i) encoder.write(tables, index[i], symbols[i]);
        const std::vector<uint8_t>& bytes = encoder.finish();
        *size = bytes.size();
        if (*size <= room) std::copy(bytes.begin(), bytes.end(), data);
        return kFine;
    });
}

// Models and frames

namespace colorvid {

// What arrived of a model, and the model once it is built.
struct ModelFile {
    Tensors tensors;
    std::shared_ptr<const Model> model;
};

struct FrameCodec {
    FrameCodec(std::shared_ptr<const Model> model, int level, int height, int width)
        : codec(std::move(model), level, height, width) {}

    Codec codec;
    SymbolEncoder encoder;
};

}  // namespace colorvid

static const int kMostDimensions = 4;
static const int64_t kMostElements = int64_t{1} << 28;

ModelFile* colorvid_model_new() { return new (std::nothrow) ModelFile(); }

void colorvid_model_free(ModelFile* model) { delete model; }

int colorvid_model_tensor(ModelFile* model, const char* name, int type, const int64_t* shape,
                          int dimensions, const void* data, size_t bytes) {
    if (type < 0 || type > 3 || dimensions < 0 || dimensions > kMostDimensions || model->model) {
        return kWrongArgument;
    }
    int64_t count = 1;
    for (int i = 0; i < dimensions; ++i) {
        if (shape[i] < 0 || shape[i] > kMostElements) return kWrongArgument;
        count *= shape[i];
        if (count > kMostElements) return kWrongArgument;
    }
    if (bytes != static_cast<size_t>(count) * kTypeBytes[type]) return kWrongArgument;
    return guarded([&] {
        const unsigned char* first = static_cast<const unsigned char*>(data);
        model->tensors.add(name, {static_cast<Type>(type), Shape(shape, shape + dimensions),
                                  std::vector<unsigned char>(first, first + bytes)});
        return kFine;
    });
}

int colorvid_model_build(ModelFile* model, const ModelSizes* sizes, int encoder, char* message,
                         size_t room) {
    if (model->model || room == 0) return kWrongArgument;
    message[0] = 0;
    return guarded([&] {
        try {
            model->model = std::make_shared<const Model>(model->tensors, *sizes, encoder != 0);
            model->tensors.clear();
            return kFine;
        } catch (const WrongModel& wrong) {
            std::strncpy(message, wrong.what(), room - 1);
            message[room - 1] = 0;
            return kWrongModel;
        }
    });
}

FrameCodec* colorvid_codec_new(const ModelFile* model, int level, int height, int width) {
    if (!model->model || height < 1 || height > kMostSide || width < 1 || width > kMostSide) {
        return nullptr;
    }
    try {
        return new FrameCodec(model->model, level, height, width);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void colorvid_codec_free(FrameCodec* codec) { delete codec; }

// Whether a frame of this kind and quality can follow.
static Status check_frame(const Codec& codec, int quality, const Field& field) {
    if (quality < 0 || quality >= kQualities) return kWrongArgument;
    if (!field.vectors) return kFine;
    if (!fits(field.rows, field.columns, codec.height(), codec.width()) || !in_range(field)) {
        return kWrongArgument;
    }
    return codec.has_reference() ? kFine : kNoReference;
}

static void give(const Picture& picture, uint8_t* const planes[3]) {
    std::memcpy(planes[0], picture.y.data(), picture.y.size());
    std::memcpy(planes[1], picture.u.data(), picture.u.size());
    std::memcpy(planes[2], picture.v.data(), picture.v.size());
}

int colorvid_codec_decode(FrameCodec* frames, int quality, const int16_t* vectors, int rows,
                          int columns, const uint8_t* data, size_t size,
                          uint8_t* const planes[3]) {
    Codec& codec = frames->codec;
    const Field field{vectors, rows, columns};
    const Status status = check_frame(codec, quality, field);
    if (status != kFine) return status;
    return guarded([&] {
        SymbolDecoder decoder(data, size);
        if (vectors) codec.decode_inter(quality, field, decoder);
        else codec.decode_key(quality, decoder);
        give(codec.picture(), planes);
        return kFine;
    });
}

int colorvid_codec_encode(FrameCodec* frames, int quality, const int16_t* vectors, int rows,
                          int columns, const uint8_t* const source[3], uint8_t* const planes[3],
                          const uint8_t** data, size_t* size, double bits[4]) {
    Codec& codec = frames->codec;
    const Field field{vectors, rows, columns};
    if (!codec.model().encodes) return kWrongArgument;
    const Status status = check_frame(codec, quality, field);
    if (status != kFine) return status;
    return guarded([&] {
        Plane seen[3];
        for (int p = 0; p < 3; ++p) {
            seen[p] = codec.picture().plane(p);
            seen[p].samples = source[p];
        }
        frames->encoder.clear();
        const FrameInformation information =
            vectors ? codec.encode_inter(quality, field, seen, frames->encoder)
                    : codec.encode_key(quality, seen, frames->encoder);
        const std::vector<uint8_t>& bytes = frames->encoder.finish();
        *data = bytes.data();
        *size = bytes.size();
        bits[0] = information.luma.hyper;
        bits[1] = information.luma.latents;
        bits[2] = information.chroma.hyper;
        bits[3] = information.chroma.latents;
        give(codec.picture(), planes);
        return kFine;
    });
}

void colorvid_codec_forget(FrameCodec* codec) { codec->codec.forget(); }

void colorvid_codec_work(const FrameCodec* codec, double* seconds, double* macs) {
    const Work& work = const_cast<FrameCodec*>(codec)->codec.work();
    std::copy(work.seconds, work.seconds + kStages, seconds);
    std::copy(work.macs, work.macs + kStages, macs);
}

void colorvid_kernel_filter_line(int level, const uint8_t* src, ptrdiff_t step, const int16_t* taps,
                                 uint8_t* dst, int count) {
    kernels(level).filter_line(src, step, taps, dst, count);
}

void colorvid_kernel_window_errors(int level, const uint8_t* a, ptrdiff_t a_stride,
                                   const uint8_t* b, ptrdiff_t b_stride, int32_t* errors) {
    kernels(level).window_errors(a, a_stride, b, b_stride, errors);
}

void colorvid_kernel_hadamard_errors(int level, const uint8_t* a, ptrdiff_t a_stride,
                                     const uint8_t* b, ptrdiff_t b_stride, int32_t* errors) {
    kernels(level).hadamard_errors(a, a_stride, b, b_stride, errors);
}

int32_t colorvid_kernel_block_error(int level, const uint8_t* a, ptrdiff_t a_stride,
                                    const uint8_t* b, ptrdiff_t b_stride) {
    return kernels(level).block_error(a, a_stride, b, b_stride);
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
