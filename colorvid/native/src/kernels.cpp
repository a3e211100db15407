// SPDX-License-Identifier: BSD-3-Clause
#include "kernels.h"

namespace colorvid {

struct Row {
    Level level;
    Kernels kernels;
};

template <class Sample>
static constexpr SampleKernels<Sample> bits_plain{predict_luma_plain, predict_chroma_plain,
                                                  round_line_plain, block_bends_plain,
                                                  filter_block_plain};
#if COLORVID_X86
template <class Sample>
static constexpr SampleKernels<Sample> bits_avx2{predict_luma_avx2, predict_chroma_avx2,
                                                 round_line_avx2, block_bends_avx2,
                                                 filter_block_avx2};
#endif

static const Row kTable[] = {
    {Level::plain,
     {filter_line_plain, window_errors_plain, hadamard_errors_plain, block_error_plain,
      pointwise_plain, depthwise_plain, leaky_plain, add_features_plain, gate_plain,
      scale_latents_plain, add_basis_plain, project_plain, bits_plain<uint8_t>,
      bits_plain<uint16_t>}},
#if COLORVID_X86
    {Level::avx2,
     {filter_line_avx2, window_errors_avx2, hadamard_errors_avx2, block_error_avx2,
      pointwise_avx2, depthwise_avx2, leaky_avx2, add_features_avx2, gate_avx2,
      scale_latents_avx2, add_basis_avx2, project_avx2, bits_avx2<uint8_t>,
      bits_avx2<uint16_t>}},
    {Level::avx512,
     {filter_line_avx2, window_errors_avx2, hadamard_errors_avx2, block_error_avx2,
      pointwise_avx512, depthwise_avx512, leaky_avx2, add_features_avx2, gate_avx2,
      scale_latents_avx2, add_basis_avx2, project_avx2, bits_avx2<uint8_t>,
      bits_avx2<uint16_t>}},
    {Level::avx512vnni,
     {filter_line_avx2, window_errors_avx2, hadamard_errors_avx2, block_error_avx2,
      pointwise_avx512vnni, depthwise_avx512vnni, leaky_avx2, add_features_avx2, gate_avx2,
      scale_latents_avx2, add_basis_avx2, project_avx2, bits_avx2<uint8_t>,
      bits_avx2<uint16_t>}},
#elif COLORVID_NEON
    {Level::neon,
     {filter_line_plain, window_errors_plain, hadamard_errors_plain, block_error_plain,
      pointwise_neon, depthwise_neon, leaky_neon, add_features_neon, gate_neon,
      scale_latents_neon, add_basis_neon, project_neon, bits_plain<uint8_t>,
      bits_plain<uint16_t>}},
#endif
};

const Kernels& kernels(int level) {
    const int wanted = has_level(level) ? level : static_cast<int>(highest_level());
    for (const Row& row : kTable) {
        if (static_cast<int>(row.level) == wanted) return row.kernels;
    }
    return kTable[0].kernels;
}

}  // namespace colorvid
