// SPDX-License-Identifier: BSD-3-Clause
#include "api.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

#include "choose.h"
#include "inheritance.h"
#include "roof.h"

using namespace colorvid;

static const int kInterface = 12;
static const int kMostSlots = 32;
static const int64_t kMostWeight = int64_t{1} << 30;
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

MotionState* colorvid_motion_new(int rows, int columns, int slots) {
    if (!is_grid(rows, columns) || slots < 1 || slots > kMostSlots) return nullptr;
    try {
        return new MotionState(rows, columns, slots);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void colorvid_motion_free(MotionState* state) { delete state; }

int colorvid_motion_start(MotionState* state, int target) {
    if (target < 0 || target >= state->slots()) return kWrongArgument;
    return guarded([&] {
        state->start(target);
        return kFine;
    });
}

// What a frame is predicted from, if it is a B frame with all of it and a P frame without.
static bool is_whole(const Links& links, const void* past, const void* future, const void* uses) {
    const bool pair = links.future >= 0;
    return past && pair == (future != nullptr) && pair == (uses != nullptr);
}

static bool in_range(const Prediction& motion) {
    if (!in_range(motion.past)) return false;
    if (!motion.uses) return true;
    const ptrdiff_t count = static_cast<ptrdiff_t>((motion.past.rows + 1) / 2) *
                            ((motion.past.columns + 1) / 2);
    return in_range(motion.future) &&
           std::all_of(motion.uses, motion.uses + count, [](uint8_t use) { return use <= kBoth; });
}

// Whether a frame can be coded with these links.
static Status check_links(const MotionState& state, const Links& links) {
    if (!links.fit(state.slots())) return kWrongArgument;
    return state.has(links) ? kFine : kNoReference;
}

int colorvid_motion_encode(MotionState* state, const Links* links, const int16_t* past,
                           const int16_t* future, const uint8_t* uses, const uint8_t** data,
                           size_t* size) {
    const Status status = check_links(*state, *links);
    if (status != kFine) return status;
    const int rows = state->rows(), columns = state->columns();
    const Prediction motion{{past, rows, columns}, {future, rows, columns}, uses};
    if (!is_whole(*links, past, future, uses) || !in_range(motion)) return kWrongArgument;
    return guarded([&] {
        const std::vector<uint8_t>& bytes = state->encode(*links, motion);
        *data = bytes.data();
        *size = bytes.size();
        return kFine;
    });
}

int colorvid_motion_decode(MotionState* state, const Links* links, const uint8_t* data, size_t size,
                           int16_t* past, int16_t* future, uint8_t* uses, int64_t report[2]) {
    const Status status = check_links(*state, *links);
    if (status != kFine) return status;
    if (!is_whole(*links, past, future, uses)) return kWrongArgument;
    return guarded([&] {
        RangeDecoder coder(data, size);
        try {
            state->decode(coder, *links, {past, future, uses});
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

int colorvid_pyramid_new(const uint8_t* luma, int height, int width, Pyramid** pyramid) {
    if (height < 1 || width < 1 || height > kMostSide || width > kMostSide) return kWrongArgument;
    return guarded([&] {
        *pyramid = new Pyramid(Plane{luma, height, width});
        return kFine;
    });
}

void colorvid_pyramid_free(Pyramid* pyramid) { delete pyramid; }

static bool alike(const Pyramid& one, const Pyramid& other) {
    return one.height == other.height && one.width == other.width;
}

int colorvid_novelty(int level, const Pyramid* current, const Pyramid* reference, int halvings,
                     int32_t counts[2]) {
    if (halvings < 1 || halvings > kMostLevels || !alike(*current, *reference)) {
        return kWrongArgument;
    }
    return guarded([&] {
        const Novelty found = novelty(kernels(level), *current, *reference, halvings);
        counts[0] = found.cells;
        counts[1] = found.fresh;
        return kFine;
    });
}

int colorvid_inherit(int level, const Pyramid* const* pictures, const Placed* places, int count,
                     int to_come, int search, int32_t* means) {
    if (!are_mini_gop(places, count)) return kWrongArgument;
    if (to_come < 0 || to_come > kMostToCome) return kWrongArgument;
    for (int i = 1; i <= count; ++i) {
        if (!alike(*pictures[i], *pictures[0])) return kWrongArgument;
    }
    return guarded([&] {
        inherit(kernels(level), pictures, places, count, to_come, search != 0, means);
        return kFine;
    });
}

int colorvid_estimate(int level, const MotionState* state, const Links* links,
                      const uint8_t* current, const Reference* past, const Reference* future,
                      int64_t weight, const SearchEffort* effort, int16_t* past_vectors,
                      int16_t* future_vectors, uint8_t* uses, int64_t* cost) {
    const Status status = check_links(*state, *links);
    if (status != kFine) return status;
    const int height = past->height, width = past->width;
    if (!fits(state->rows(), state->columns(), height, width) || weight < 0 ||
        weight > kMostWeight || !effort->fits() ||
        !is_whole(*links, past_vectors, future_vectors, uses) ||
        (links->future >= 0) != (future != nullptr) ||
        (future && (future->height != height || future->width != width))) {
        return kWrongArgument;
    }
    return guarded([&] {
        const Task task{{current, height, width}, *past, future, weight, *effort};
        *cost = choose(kernels(level), *state, *links, task, {past_vectors, future_vectors, uses});
        return kFine;
    });
}

template <class Sample>
static void compensate(const Kernels& kernels, int chroma, const void* past, const void* future,
                       int height, int width, const Prediction& motion, void* predicted) {
    const int tall = chroma ? (height + 1) / 2 : height, wide = chroma ? (width + 1) / 2 : width;
    const References<Sample> references{{static_cast<const Sample*>(past), tall, wide},
                                        {static_cast<const Sample*>(future), tall, wide}};
    const auto predict = chroma ? compensate_chroma<Sample> : compensate_luma<Sample>;
    predict(kernels, references, motion, static_cast<Sample*>(predicted));
}

static bool is_depth(int depth) { return depth == 8 || depth == 10; }

int colorvid_compensate(int level, int depth, int chroma, const void* past, const void* future,
                        int height, int width, const int16_t* past_vectors,
                        const int16_t* future_vectors, const uint8_t* uses, int rows, int columns,
                        void* predicted) {
    if (!is_depth(depth) || !fits(rows, columns, height, width)) return kWrongArgument;
    const Prediction motion{{past_vectors, rows, columns}, {future_vectors, rows, columns}, uses};
    if (!in_range(motion)) return kWrongArgument;
    return guarded([&] {
        const auto predict = depth == 8 ? compensate<uint8_t> : compensate<uint16_t>;
        predict(kernels(level), chroma, past, future, height, width, motion, predicted);
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

Workspace* colorvid_workspace_new(int level) { return new (std::nothrow) Workspace(level); }

void colorvid_workspace_free(Workspace* space) { delete space; }

void colorvid_workspace_work(const Workspace* space, double* seconds, double* macs) {
    const Work& work = space->work;
    std::copy(work.seconds, work.seconds + kStages, seconds);
    std::copy(work.macs, work.macs + kStages, macs);
}

Codec* colorvid_codec_new(const ModelFile* model, int height, int width, int slots, int depth) {
    if (!model->model || !is_depth(depth) || height < 1 || height > kMostSide || width < 1 ||
        width > kMostSide || slots < 1 || slots > kMostSlots) {
        return nullptr;
    }
    try {
        if (depth == 8) return new SampleCodec<uint8_t>(model->model, height, width, slots);
        return new SampleCodec<uint16_t>(model->model, height, width, slots);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void colorvid_codec_free(Codec* codec) { delete codec; }

static Prediction prediction_of(const CodecMotion& motion) {
    return {{motion.past, motion.rows, motion.columns},
            {motion.future, motion.rows, motion.columns},
            motion.uses};
}

// Whether a frame of this kind and quality can follow.
static Status check_frame(const Codec& codec, int quality, const CodecMotion& motion) {
    if (quality < 0 || quality >= kQualities) return kWrongArgument;
    const Links& links = motion.links;
    if (!motion.past) {
        return links.target >= 0 && links.target < codec.slots() ? kFine : kWrongArgument;
    }
    if (!links.fit(codec.slots()) || !is_whole(links, motion.past, motion.future, motion.uses) ||
        !fits(motion.rows, motion.columns, codec.height(), codec.width()) ||
        !in_range(prediction_of(motion))) {
        return kWrongArgument;
    }
    return codec.has(links) ? kFine : kNoReference;
}

int colorvid_codec_decode(Codec* codec, Workspace* space, int quality, const CodecMotion* motion,
                          const uint8_t* data, size_t size, void* const planes[3],
                          double bits[2]) {
    const Status status = check_frame(*codec, quality, *motion);
    if (status != kFine) return status;
    return guarded([&] {
        SymbolDecoder decoder(data, size);
        const Links& links = motion->links;
        const double before = decoder.bits();
        const double between =
            motion->past
                ? codec->decode_inter(*space, quality, links, prediction_of(*motion), decoder)
                : codec->decode_key(*space, quality, links.target, decoder);
        bits[0] = decoder.empty() ? 0 : between - before;
        bits[1] = decoder.empty() ? 0 : decoder.bits() - between;
        codec->give(links.target, planes);
        return kFine;
    });
}

int colorvid_codec_encode(Codec* codec, Workspace* space, int quality, int tries,
                          const CodecMotion* motion,
                          const void* const source[3], void* const planes[3],
                          const uint8_t** data, size_t* size, double bits[4]) {
    if (!codec->model().encodes) return kWrongArgument;
    const Status status = check_frame(*codec, quality, *motion);
    if (status != kFine) return status;
    return guarded([&] {
        const Links& links = motion->links;
        space->encoder.clear();
        const FrameInformation information =
            motion->past
                ? codec->encode_inter(*space, quality, links, prediction_of(*motion), source,
                                      tries != 0)
                : codec->encode_key(*space, quality, links.target, source);
        const std::vector<uint8_t>& bytes = space->encoder.finish();
        *data = bytes.data();
        *size = bytes.size();
        bits[0] = information.luma.hyper;
        bits[1] = information.luma.latents;
        bits[2] = information.chroma.hyper;
        bits[3] = information.chroma.latents;
        codec->give(links.target, planes);
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
    const auto& table = kernels(level).bits8;
    const auto predict = chroma ? table.predict_chroma : table.predict_luma;
    predict(src, stride, down, across, sums, sums_stride);
}

void colorvid_kernel_predict10(int level, int chroma, const uint16_t* src, ptrdiff_t stride,
                               const int16_t* down, const int16_t* across, int32_t* sums,
                               ptrdiff_t sums_stride) {
    const auto& table = kernels(level).bits10;
    const auto predict = chroma ? table.predict_chroma : table.predict_luma;
    predict(src, stride, down, across, sums, sums_stride);
}

void colorvid_kernel_round_line(int level, const int32_t* sums, int bits, uint8_t* dst, int count) {
    kernels(level).bits8.round_line(sums, bits, dst, count);
}

void colorvid_kernel_round_line10(int level, const int32_t* sums, int bits, uint16_t* dst,
                                  int count) {
    kernels(level).bits10.round_line(sums, bits, dst, count);
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

void colorvid_kernel_project(int level, const int16_t* in, const int16_t* basis, int pairs,
                             int32_t* sums, int count) {
    kernels(level).project(in, basis, pairs, sums, count);
}

void colorvid_kernel_block_bends(int level, const uint8_t* at, ptrdiff_t stride, int side,
                                 int32_t sums[4]) {
    kernels(level).bits8.block_bends(at, stride, side, sums);
}

void colorvid_kernel_block_bends10(int level, const uint16_t* at, ptrdiff_t stride, int side,
                                   int32_t sums[4]) {
    kernels(level).bits10.block_bends(at, stride, side, sums);
}

void colorvid_kernel_filter_block(int level, const FilterTaps* taps, const uint8_t* at,
                                  ptrdiff_t stride, int side, uint8_t* out, ptrdiff_t out_stride) {
    kernels(level).bits8.filter_block(*taps, at, stride, side, out, out_stride);
}

void colorvid_kernel_filter_block10(int level, const FilterTaps* taps, const uint16_t* at,
                                    ptrdiff_t stride, int side, uint16_t* out,
                                    ptrdiff_t out_stride) {
    kernels(level).bits10.filter_block(*taps, at, stride, side, out, out_stride);
}
