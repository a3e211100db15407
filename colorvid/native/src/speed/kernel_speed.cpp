// Prints how fast the kernels of the networks' layers are, level by level, beside the roof.
//
// Built by `cmake --build build/native --target kernel_speed`. A figure is the best of many short
// runs, so that other work on the machine does little harm.
// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "../kernels.h"
#include "../roof.h"

using namespace colorvid;

static const char* const kNames[] = {"plain", "avx2", "avx512", "avx512vnni", "neon"};
static const double kSeconds = 0.15;  // for a figure

static std::mt19937 random_bits;

// Aligned to 64 bytes.
template <class T>
class Array {
   public:
    explicit Array(size_t size, int reach) : kept_(size + 64 / sizeof(T)) {
        std::uniform_int_distribution<int> values(-reach, reach);
        for (T& value : kept_) value = static_cast<T>(values(random_bits));
    }
    T* data() {
        const size_t off = reinterpret_cast<uintptr_t>(kept_.data()) % 64;
        return kept_.data() + (64 - off) % 64 / sizeof(T);
    }

   private:
    std::vector<T> kept_;
};

// Seconds of the fastest run of `work`.
template <class Work>
static double fastest(Work work) {
    using Clock = std::chrono::steady_clock;
    double best = 1e9;
    for (const Clock::time_point begin = Clock::now();
         Clock::now() - begin < std::chrono::duration<double>(kSeconds);) {
        const Clock::time_point start = Clock::now();
        for (int i = 0; i < 4; ++i) work();
        best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count() / 4);
    }
    return best;
}

static double pointwise_speed(const Kernels& table, int inputs, int outputs, int count) {
    const int pairs = (inputs + 1) / 2, groups = (outputs + kGroup - 1) / kGroup;
    Array<int16_t> weights(static_cast<size_t>(groups) * pairs * kGroup * 2, 100);
    Array<int32_t> bias(groups * kGroup, 1000);
    std::vector<float> factor(groups * kGroup, 0.01f);
    Array<int16_t> in(static_cast<size_t>(count) * 2 * pairs, 2047);
    Array<int16_t> out(static_cast<size_t>(count) * groups * kGroup, 1);
    const PointwiseLayer layer{weights.data(), bias.data(), factor.data(), pairs, groups, 2047};
    const double seconds = fastest([&] {
        table.pointwise(layer, in.data(), 2 * pairs, out.data(), groups * kGroup, count);
    });
    return 1e-9 * inputs * outputs * count / seconds;
}

static double depthwise_speed(const Kernels& table, int side, int channels, int count) {
    const int taps = side * side;
    Array<int16_t> weights(static_cast<size_t>(taps + 1) / 2 * 2 * channels, 100);
    Array<int32_t> bias(channels, 1000);
    std::vector<float> factor(channels, 0.01f);
    const size_t width = static_cast<size_t>(count + side - 1) * channels;
    Array<int16_t> in(width * side, 2047), out(static_cast<size_t>(count) * channels, 1);
    std::vector<const int16_t*> rows;
    for (int i = 0; i < side; ++i) rows.push_back(in.data() + i * width);
    const DepthwiseLayer layer{weights.data(), bias.data(), factor.data(), side, channels, 2047};
    const double seconds = fastest([&] {
        table.depthwise(layer, rows.data(), channels, out.data(), channels, count);
    });
    return 1e-9 * taps * channels * count / seconds;
}

// Numbers of each elementwise kernel in a second, in 10^9.
static void elementwise_speeds(const Kernels& table) {
    const int count = 96 * 64;
    Array<int16_t> x(count, 2047), y(count, 2047), out(count, 1);
    Array<int32_t> latents(count, 1 << 20);
    const std::vector<float> factor(count, 0.001f);
    const auto show = [&](const char* name, auto work) {
        std::printf("  %s: %.1f * 10^9 numbers/s\n", name, 1e-9 * count / fastest(work));
    };
    show("leaky", [&] { table.leaky(x.data(), count); });
    show("add_features", [&] { table.add_features(x.data(), y.data(), count); });
    show("gate", [&] { table.gate(x.data(), y.data(), out.data(), count); });
    show("scale_latents",
         [&] { table.scale_latents(latents.data(), factor.data(), out.data(), count); });
    std::vector<double> sums(256), basis(256, 3);
    const double seconds = fastest([&] {
        for (int i = 0; i < 24; ++i) table.add_basis(sums.data(), basis.data(), 2, 256);
    });
    std::printf("  add_basis: %.1f * 10^9 numbers/s\n", 1e-9 * 24 * 256 / seconds);
}

int main(int arguments, char** argument) {
    const int only = arguments > 1 ? std::atoi(argument[1]) : -1;
    const int layers[][2] = {{48, 48},   {96, 96},   {96, 192}, {192, 192},
                             {192, 384}, {256, 192}, {64, 96}};
    for (int number = 0; number <= static_cast<int>(Level::neon); ++number) {
        if (!has_level(number) || (only >= 0 && number != only)) continue;
        const Kernels& table = kernels(number);
        const double most = roof(static_cast<Level>(number), 1);
        const auto show = [&](double speed) {
            std::printf(" %7.1f", speed);
            if (most > 0) std::printf(" (%2.0f %%)", 100 * speed / most);
        };
        std::printf("%s: roof %.1f GMAC/s\n", kNames[number], most);
        for (const auto& layer : layers) {
            std::printf("  pointwise %3d -> %3d, 40 and 160 positions:", layer[0], layer[1]);
            for (const int count : {40, 160}) {
                show(pointwise_speed(table, layer[0], layer[1], count));
            }
            std::printf("\n");
        }
        for (const int side : {3, 5}) {
            for (const int channels : {96, 192}) {
                std::printf("  depthwise %dx%d, %3d channels, 40 and 160:", side, side, channels);
                for (const int count : {40, 160}) {
                    show(depthwise_speed(table, side, channels, count));
                }
                std::printf("\n");
            }
        }
        elementwise_speeds(table);
    }
}
