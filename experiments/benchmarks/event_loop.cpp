// A baseline: Proof of Work with forks as a loop over finds, hand-tuned for a memoryless law and a clique.
//
//     c++ -O3 -march=native -ffast-math event_loop.cpp -o event_loop
//     ./event_loop sums|histories seed chains blocks work seconds share...
//
// No heap and no matrix: the finds of all miners are one Poisson process, so the next event is always a find. It draws
// the gap and the finder, lets the finder build on the first heard of the highest blocks that it knows, and keeps the
// finds of one chain; a chain's blocks are walked back at its end. It finds the interval, the producer and the number of
// published blocks of every height, and prints sums of them. Of "sums" nothing else is left, as of polejax.tally_many;
// of "histories" all of it stays in memory for all chains, with the settled heights and the blocks by node, as of
// polejax.simulate_many. Memory is asked of the system and given back by every run.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

static uint64_t state[4];

static inline uint64_t rotated(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

static inline uint64_t next_word() {  // xoshiro256++, Blackman and Vigna 2021
    const uint64_t result = rotated(state[0] + state[3], 23) + state[0], t = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= t;
    state[3] = rotated(state[3], 45);
    return result;
}

static void seed_words(uint64_t seed) {  // splitmix64
    for (uint64_t &word : state) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        word = z ^ (z >> 31);
    }
}

struct Block {
    float gap;  // seconds since the find before
    uint32_t parent;
    int32_t height;
    uint32_t finder;
};

int main(int count, char **arguments) {
    if (count < 8) return 2;
    const bool keep = !std::strcmp(arguments[1], "histories");
    ++arguments, --count;
    seed_words(std::strtoull(arguments[1], nullptr, 10));
    const long chains = std::atol(arguments[2]);
    const int blocks = std::atoi(arguments[3]);
    const double work = std::atof(arguments[4]), delay = std::atof(arguments[5]);
    std::vector<double> share;
    if (count == 7) share.assign(std::atoi(arguments[6]), 1.0);  // so many equal miners
    for (int i = 6; count > 7 && i < count; ++i) share.push_back(std::atof(arguments[i]));
    const uint32_t nodes = share.size();
    double total = 0;
    for (double s : share) total += s;

    // Walker's alias table: finder in one look-up, from 32 of the word's 64 bits.
    std::vector<uint32_t> limit(nodes, 0xffffffffu), other(nodes);
    {
        std::vector<uint32_t> light, heavy;
        std::vector<double> rest(nodes);
        for (uint32_t i = 0; i < nodes; ++i) {
            rest[i] = share[i] / total * nodes;
            other[i] = i;
            (rest[i] < 1 ? light : heavy).push_back(i);
        }
        while (!light.empty() && !heavy.empty()) {
            const uint32_t l = light.back(), h = heavy.back();
            light.pop_back();
            limit[l] = uint32_t(rest[l] * 4294967296.0);
            other[l] = h;
            if ((rest[h] -= 1 - rest[l]) < 1) heavy.pop_back(), light.push_back(h);
        }
    }

    // Draws in batches, so that the logarithms are vector operations.
    constexpr int batch = 1024;
    alignas(64) uint64_t words[batch];
    alignas(64) float gaps[batch];
    alignas(64) uint32_t finders[batch];
    int drawn = batch;
    const auto draw = [&] {
        for (uint64_t &word : words) word = next_word();
        for (int i = 0; i < batch; ++i)
            gaps[i] = -std::log((float(int32_t(words[i] >> 40)) + 0.5f) * 0x1p-24f) * float(work);
        for (int i = 0; i < batch; ++i) {
            const uint64_t scaled = (words[i] & 0xffffffffu) * nodes;
            const uint32_t column = scaled >> 32;
            finders[i] = uint32_t(scaled) < limit[column] ? column : other[column];
        }
        drawn = 0;
    };

    std::vector<Block> found(size_t(blocks) * 8 + 1024);
    std::vector<float> interval(blocks);
    std::vector<uint32_t> producer(blocks), published(blocks + 2), published_by(nodes);
    double seconds = 0;
    uint64_t stale = 0, wins = 0, by_first = 0;
    const auto begin = std::chrono::steady_clock::now();
    // What is kept of all chains: memory that is new to the process, as what comes back from JAX is.
    const size_t rows = keep ? chains : 0;
    const std::unique_ptr<float[]> intervals(new float[rows * blocks]);
    const std::unique_ptr<uint32_t[]> producers(new uint32_t[rows * blocks]), publisheds(new uint32_t[rows * blocks]);
    const std::unique_ptr<bool[]> settleds(new bool[rows * blocks]);
    const std::unique_ptr<uint32_t[]> published_bys(new uint32_t[rows * nodes]);
    for (long chain = 0; chain < chains; ++chain) {
        uint32_t find = 0, tip = 0;
        found[0] = {0.0f, 0, 0, nodes};
        std::fill(published.begin(), published.end(), 0);
        float since = 0;  // seconds since the first block of the last height
        int32_t lead = 0;
        while (true) {
            if (drawn == batch) draw();
            const float gap = gaps[drawn];
            const uint32_t finder = finders[drawn++];
            uint32_t parent = find;
            if (gap < delay) {  // seldom: some blocks may be on their way to the finder
                float age = gap;
                int32_t best = -1;
                bool old = false;
                for (uint32_t back = find;; age += found[back].gap, --back) {
                    const Block &block = found[back];
                    const bool own = block.finder == finder, known = own || age >= delay || back == 0;
                    if (known && (block.height > best || (block.height == best && found[parent].finder != finder)))
                        best = block.height, parent = back;
                    // A block that is older than the delay at one that all know is of no use to anybody.
                    if (back == 0 || (old && age >= 2 * delay && block.gap >= delay)) break;
                    old = old || age >= delay;
                }
            } else if (found[find].gap < delay) {  // the last ones may be of the same height, and the first heard is older
                float age = 0;
                int32_t best = -1;
                for (uint32_t back = find;; age += found[back].gap, --back) {
                    const Block &block = found[back];
                    if (block.height > best || (block.height == best && found[parent].finder != finder))
                        best = block.height, parent = back;
                    if (back == 0 || block.gap >= delay) break;
                }
            }
            ++find;
            const int32_t height = found[parent].height + 1;
            found[find] = {gap, parent, height, finder};
            if (height <= blocks) ++published[height];
            if (lead >= blocks && (since += gap) >= delay) break;  // all have heard of the last height
            if (height > lead && (lead = height) == blocks) tip = find;
        }
        for (uint32_t block = tip; found[block].height > 0; block = found[block].parent) {
            float time = 0;
            for (uint32_t back = block; back > found[block].parent; --back) time += found[back].gap;
            const int32_t height = found[block].height;
            interval[height - 1] = time;
            producer[height - 1] = found[block].finder;
            seconds += time;
        }
        int32_t settled = blocks;  // the greatest height at which all branches have the same block
        for (uint32_t other = tip + 1; keep && other < find; ++other) {
            uint32_t one = tip, two = other;
            if (found[other].height != blocks) continue;
            while (one != two) (one > two ? one : two) = found[std::max(one, two)].parent;
            settled = std::min(settled, found[one].height);
        }
        for (uint32_t back = 1; back < find; ++back) published_by[found[back].finder] += found[back].height <= settled;
        for (int h = 1; h <= blocks; ++h) stale += published[h] - 1;
        for (int h = 0; h < blocks; ++h) wins += producer[h] == 0;
        if (!keep && chain < chains - 1) continue;
        by_first += published_by[0];
        if (!keep) continue;
        std::copy_n(interval.begin(), blocks, intervals.get() + chain * blocks);
        std::copy_n(producer.begin(), blocks, producers.get() + chain * blocks);
        std::copy_n(published.begin() + 1, blocks, publisheds.get() + chain * blocks);
        std::copy_n(published_by.begin(), nodes, published_bys.get() + chain * nodes);
        std::fill_n(std::fill_n(settleds.get() + chain * blocks, settled, true), blocks - settled, false);
        std::fill(published_by.begin(), published_by.end(), 0);
    }
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double all = double(chains) * blocks;
    std::printf("%.9g %.9g %.9g %.9g %.9g\n", took, seconds / all, stale / (all + stale), wins / all, by_first / all);
}
