// What the library exports: plain C functions, called from Python through ctypes.
//
// Every function checks the sizes that it is given, allocates before it changes anything, and
// returns a Status. `level` chooses the versions of the kernels, see kernels(). No function keeps
// a pointer that it was given. An object may be used by one thread at a time.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(_WIN32)
#define COLORVID_API extern "C" __declspec(dllexport)
#else
#define COLORVID_API extern "C" __attribute__((visibility("default")))
#endif

#include "model.h"

namespace colorvid {
class MotionState;
struct Reference;
struct Placed;
struct SearchEffort;
class Pyramid;
struct ModelFile;
class Codec;
struct Workspace;
}  // namespace colorvid

enum Status : int {
    kFine = 0,
    kOutOfMemory = 1,
    kWrongArgument = 2,  // a size or a value that the caller must not pass
    kWrongVector = 3,    // a damaged stream holds a vector that is out of range
    kWrongModel = 4,     // a model file does not hold what its configuration needs
    kNoReference = 5,    // an inter frame without one of its references
};

// Changes whenever a function here changes; the Python side refuses another number.
COLORVID_API int colorvid_interface();
// Whether this machine has a level, see Level.
COLORVID_API int colorvid_has_level(int level);
// See roof(); 0 for a level that this machine does not have.
COLORVID_API double colorvid_roof(int level, double seconds);

// Motion of the frames of a group of pictures, in decoding order: (rows, columns) blocks, and room
// for `slots` pictures, 1..32. See motion.h.
COLORVID_API colorvid::MotionState* colorvid_motion_new(int rows, int columns, int slots);
COLORVID_API void colorvid_motion_free(colorvid::MotionState* state);
// A key frame is put into slot `target`.
COLORVID_API int colorvid_motion_start(colorvid::MotionState* state, int target);
// Code the motion of a frame: vectors (rows, columns, 2) towards both references, and what each
// macroblock of 2x2 blocks uses; without a later reference `future` and `uses` are null. The bytes
// belong to `state` until the slot of the frame is used again.
COLORVID_API int colorvid_motion_encode(colorvid::MotionState* state, const colorvid::Links* links,
                                        const int16_t* past, const int16_t* future,
                                        const uint8_t* uses, const uint8_t** data, size_t* size);
// Read the motion of a frame. `report`: the position behind the last byte read, and 1 if that is
// where the data end; or the components of a wrong vector.
COLORVID_API int colorvid_motion_decode(colorvid::MotionState* state, const colorvid::Links* links,
                                        const uint8_t* data, size_t size, int16_t* past,
                                        int16_t* future, uint8_t* uses, int64_t report[2]);
// A reference for `estimate`, which can be filled again and again: with luma of 1..8192 samples to a
// side.
COLORVID_API colorvid::Reference* colorvid_reference_new();
COLORVID_API int colorvid_reference_fill(int level, colorvid::Reference* reference,
                                         const uint8_t* luma, int height, int width);
COLORVID_API void colorvid_reference_free(colorvid::Reference* reference);
// A picture at smaller sizes, by its luma of 1..8192 samples to a side.
COLORVID_API int colorvid_pyramid_new(const uint8_t* luma, int height, int width,
                                      colorvid::Pyramid** pyramid);
COLORVID_API void colorvid_pyramid_free(colorvid::Pyramid* pyramid);
// Compare two pictures of one size, halved 1..5 times; see novelty(). `counts`: of cells, and of
// fresh ones.
COLORVID_API int colorvid_novelty(int level, const colorvid::Pyramid* current,
                                  const colorvid::Pyramid* reference, int halvings,
                                  int32_t counts[2]);
// What later frames inherit in a mini-GOP, see inherit(): pictures of one size, the first of which
// comes before the `count` frames at `places`. `to_come`: 0 .. 2^20. `means`: of count + 1 pictures.
COLORVID_API int colorvid_inherit(int level, const colorvid::Pyramid* const* pictures,
                                  const colorvid::Placed* places, int count, int to_come,
                                  int search, int32_t* means);
// Search and choose the motion of a frame for coding it with `state`, which stays as it is.
// `current`: its luma; `future` and its results are null without a second reference. `weight`: price of a bit in
// 1/65536 of an absolute difference, 0 .. 2^30. `effort`: see search.h. `cost`: sum of error and
// price, to be compared with that of other references.
COLORVID_API int colorvid_estimate(int level, const colorvid::MotionState* state,
                                   const colorvid::Links* links, const uint8_t* current,
                                   const colorvid::Reference* past,
                                   const colorvid::Reference* future, int64_t weight,
                                   const colorvid::SearchEffort* effort, int16_t* past_vectors,
                                   int16_t* future_vectors, uint8_t* uses, int64_t* cost);
// Predict a plane: luma if `chroma` is 0. `height`, `width` are those of the luma plane; `rows` and
// `columns` of blocks. Without a later reference `future`, its vectors and `uses` are null. Here and
// below, samples of `depth` 8 are uint8_t, of 10 uint16_t within 0..1023.
COLORVID_API int colorvid_compensate(int level, int depth, int chroma, const void* past,
                                     const void* future, int height, int width,
                                     const int16_t* past_vectors, const int16_t* future_vectors,
                                     const uint8_t* uses, int rows, int columns,
                                     void* predicted);

// Read or write symbols by tables: `cdf` (rows, longest), `sizes` (rows), and the row of each symbol
// in `index`; see docs/coding.md. `data` of the writer has room for `room` bytes; `size` is what it
// needs, and nothing is written if that is more.
COLORVID_API int colorvid_symbols_read(const int32_t* cdf, const int32_t* sizes, int rows,
                                       int longest, const int32_t* index, int count,
                                       const uint8_t* data, size_t size, int32_t* symbols);
COLORVID_API int colorvid_symbols_write(const int32_t* cdf, const int32_t* sizes, int rows,
                                        int longest, const int32_t* index, int count,
                                        const int32_t* symbols, uint8_t* data, size_t room,
                                        size_t* size);

// A model takes the tensors of a file one by one, as copies, and is then built for good.
COLORVID_API colorvid::ModelFile* colorvid_model_new();
COLORVID_API void colorvid_model_free(colorvid::ModelFile* model);
// `type` as Type numbers it.
COLORVID_API int colorvid_model_tensor(colorvid::ModelFile* model, const char* name, int type,
                                       const int64_t* shape, int dimensions, const void* data,
                                       size_t bytes);
// `encoder`: with the networks of the encoder. A model that is refused says why in `message`.
COLORVID_API int colorvid_model_build(colorvid::ModelFile* model,
                                      const colorvid::ModelSizes* sizes, int encoder,
                                      char* message, size_t room);

// What coding a frame needs on the way: one for each thread, for any models and sizes.
COLORVID_API colorvid::Workspace* colorvid_workspace_new(int level);
COLORVID_API void colorvid_workspace_free(colorvid::Workspace* space);
// Seconds and multiplications of each Stage in the frame coded last.
COLORVID_API void colorvid_workspace_work(const colorvid::Workspace* space, double* seconds,
                                          double* macs);

// Frames of one size, 1..8192 to a side, of `depth` bits a sample, 8 or 10, and room for `slots` of
// them, 1..32. The model may be freed before the codec. Threads may share it as class Codec says.
COLORVID_API colorvid::Codec* colorvid_codec_new(const colorvid::ModelFile* model, int height,
                                                 int width, int slots, int depth);
COLORVID_API void colorvid_codec_free(colorvid::Codec* codec);
// Motion of a frame for the codec. A key frame has no vectors; a P frame no later reference: null.
struct CodecMotion {
    colorvid::Links links;  // of a key frame only `target` counts
    const int16_t* past;
    const int16_t* future;
    const uint8_t* uses;
    int32_t rows, columns;  // of blocks
};
// Decode a frame. `planes`: Y, U and V without gaps. `bits`: information of the symbols of luma and
// of chroma.
COLORVID_API int colorvid_codec_decode(colorvid::Codec* codec, colorvid::Workspace* space,
                                       int quality, const CodecMotion* motion, const uint8_t* data,
                                       size_t size, void* const planes[3], double bits[2]);
// Encode a frame and give it as decoders show it. The bytes belong to `space` until its next frame.
// `tries` of inter frames: 0 or 1, see Branch. `bits` of hyper-latents and latents, of
// luma and then of chroma.
COLORVID_API int colorvid_codec_encode(colorvid::Codec* codec, colorvid::Workspace* space,
                                       int quality, int tries, const CodecMotion* motion,
                                       const void* const source[3], void* const planes[3],
                                       const uint8_t** data, size_t* size, double bits[4]);

// Kernels by themselves, for the tests; see kernels.h. Nothing is checked.
COLORVID_API void colorvid_kernel_filter_line(int level, const uint8_t* src, ptrdiff_t step,
                                              const int16_t* taps, uint8_t* dst, int count);
COLORVID_API void colorvid_kernel_window_errors(int level, const uint8_t* a, ptrdiff_t a_stride,
                                                const uint8_t* b, ptrdiff_t b_stride,
                                                int32_t* errors);
COLORVID_API void colorvid_kernel_hadamard_errors(int level, const uint8_t* a, ptrdiff_t a_stride,
                                                  const uint8_t* b, ptrdiff_t b_stride,
                                                  int32_t* errors);
COLORVID_API int32_t colorvid_kernel_block_error(int level, const uint8_t* a, ptrdiff_t a_stride,
                                                 const uint8_t* b, ptrdiff_t b_stride);
COLORVID_API void colorvid_kernel_predict(int level, int chroma, const uint8_t* src,
                                          ptrdiff_t stride, const int16_t* down,
                                          const int16_t* across, int32_t* sums,
                                          ptrdiff_t sums_stride);
COLORVID_API void colorvid_kernel_predict10(int level, int chroma, const uint16_t* src,
                                            ptrdiff_t stride, const int16_t* down,
                                            const int16_t* across, int32_t* sums,
                                            ptrdiff_t sums_stride);
COLORVID_API void colorvid_kernel_round_line(int level, const int32_t* sums, int bits, uint8_t* dst,
                                             int count);
COLORVID_API void colorvid_kernel_round_line10(int level, const int32_t* sums, int bits,
                                               uint16_t* dst, int count);
COLORVID_API void colorvid_kernel_pointwise(int level, const colorvid::PointwiseLayer* layer,
                                            const int16_t* in, ptrdiff_t in_stride, int16_t* out,
                                            ptrdiff_t out_stride, int count);
COLORVID_API void colorvid_kernel_depthwise(int level, const colorvid::DepthwiseLayer* layer,
                                            const int16_t* const* rows, ptrdiff_t in_stride,
                                            int16_t* out, ptrdiff_t out_stride, int count);
COLORVID_API void colorvid_kernel_leaky(int level, int16_t* x, int count);
COLORVID_API void colorvid_kernel_add_features(int level, int16_t* x, const int16_t* y, int count);
COLORVID_API void colorvid_kernel_gate(int level, const int16_t* u, const int16_t* v, int16_t* out,
                                       int count);
COLORVID_API void colorvid_kernel_scale_latents(int level, const int32_t* y, const float* factor,
                                                int16_t* out, int count);
COLORVID_API void colorvid_kernel_add_basis(int level, double* sums, const double* basis,
                                            double coefficient, int count);
COLORVID_API void colorvid_kernel_project(int level, const int16_t* in, const int16_t* basis,
                                          int pairs, int32_t* sums, int count);
COLORVID_API void colorvid_kernel_block_bends(int level, const uint8_t* at, ptrdiff_t stride,
                                              int side, int32_t sums[4]);
COLORVID_API void colorvid_kernel_block_bends10(int level, const uint16_t* at, ptrdiff_t stride,
                                                int side, int32_t sums[4]);
COLORVID_API void colorvid_kernel_filter_block(int level, const colorvid::FilterTaps* taps,
                                               const uint8_t* at, ptrdiff_t stride, int side,
                                               uint8_t* out, ptrdiff_t out_stride);
COLORVID_API void colorvid_kernel_filter_block10(int level, const colorvid::FilterTaps* taps,
                                                 const uint16_t* at, ptrdiff_t stride, int side,
                                                 uint16_t* out, ptrdiff_t out_stride);
