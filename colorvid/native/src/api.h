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

namespace colorvid {
class MotionState;
struct PointwiseLayer;
struct DepthwiseLayer;
}  // namespace colorvid

enum Status : int {
    kFine = 0,
    kOutOfMemory = 1,
    kWrongArgument = 2,  // a size or a value that the caller must not pass
    kWrongVector = 3,    // a damaged stream holds a vector that is out of range
};

// Changes whenever a function here changes; the Python side refuses another number.
COLORVID_API int colorvid_interface();
// Whether this machine has a level, see Level.
COLORVID_API int colorvid_has_level(int level);
// See roof(); 0 for a level that this machine does not have.
COLORVID_API double colorvid_roof(int level, double seconds);

COLORVID_API colorvid::MotionState* colorvid_motion_new();
COLORVID_API void colorvid_motion_free(colorvid::MotionState* state);
// Forget everything; at each key frame.
COLORVID_API void colorvid_motion_reset(colorvid::MotionState* state);
// Code vectors (rows, columns, 2). The bytes belong to `state` until its next call.
COLORVID_API int colorvid_motion_encode(colorvid::MotionState* state, const int16_t* vectors,
                                        int rows, int columns, const uint8_t** data, size_t* size);
// Read vectors. `report`: the position behind the last byte read, and 1 if that is where the data
// end; or the components of a wrong vector.
COLORVID_API int colorvid_motion_decode(colorvid::MotionState* state, const uint8_t* data,
                                        size_t size, int rows, int columns, int16_t* vectors,
                                        int64_t report[2]);
// Choose vectors for coding with `state`, which stays as it is; see simplify().
COLORVID_API int colorvid_simplify(int level, const colorvid::MotionState* state,
                                   const int16_t* vectors, int rows, int columns,
                                   const uint8_t* current, const uint8_t* previous, int height,
                                   int width, double weight, const double* prices,
                                   int16_t* chosen);
// Predict a plane: luma if `chroma` is 0. `height`, `width` are those of the luma plane.
COLORVID_API int colorvid_compensate(int level, int chroma, const uint8_t* reference, int height,
                                     int width, const int16_t* vectors, int rows, int columns,
                                     uint8_t* predicted);

// Kernels by themselves, for the tests; see kernels.h. Nothing is checked.
COLORVID_API void colorvid_kernel_filter_line(int level, const uint8_t* src, ptrdiff_t step,
                                              const int16_t* taps, uint8_t* dst, int count);
COLORVID_API void colorvid_kernel_window_errors(int level, const uint8_t* a, ptrdiff_t a_stride,
                                                const uint8_t* b, ptrdiff_t b_stride,
                                                int32_t* errors);
COLORVID_API void colorvid_kernel_predict(int level, int chroma, const uint8_t* src,
                                          ptrdiff_t stride, const int16_t* down,
                                          const int16_t* across, int32_t* sums,
                                          ptrdiff_t sums_stride);
COLORVID_API void colorvid_kernel_round_line(int level, const int32_t* sums, int bits, uint8_t* dst,
                                             int count);
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
