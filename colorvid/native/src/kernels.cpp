// SPDX-License-Identifier: BSD-3-Clause
#include "kernels.h"

namespace colorvid {

static const Kernels kTable[] = {
    {filter_line_plain, window_errors_plain, predict_luma_plain, predict_chroma_plain,
     round_line_plain, pointwise_plain, depthwise_plain, leaky_plain, add_features_plain, gate_plain,
     scale_latents_plain, add_basis_plain},
#if COLORVID_X86
    {filter_line_avx2, window_errors_avx2, predict_luma_avx2, predict_chroma_avx2, round_line_avx2,
     pointwise_plain, depthwise_plain, leaky_plain, add_features_plain, gate_plain,
     scale_latents_plain, add_basis_plain},
#endif
};

const Kernels& kernels(int level) {
    const int highest = static_cast<int>(highest_level());
    return kTable[level >= 0 && level < highest ? level : highest];
}

}  // namespace colorvid
