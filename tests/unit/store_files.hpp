// What tests of store drivers share.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <stdlib.h>
#include <string>
#include <utility>
#include <vector>

#include <tambo/store.hpp>

namespace store_files {

constexpr auto juliet = "juliet@capulet.lit", romeo = "romeo@montague.lit";

class Folder {
public:
    Folder() {
        std::string name = std::filesystem::temp_directory_path() / "tambo-store-XXXXXX";
        if (!::mkdtemp(name.data())) throw std::runtime_error{"no temporary folder"};
        path = name;
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::filesystem::path path;
};

inline void in_transaction(tambo::StoreDriver& driver, const std::function<void()>& work) {
    driver.begin();
    work();
    driver.commit();
}

inline tambo::JournalEntry entry(std::uint64_t sequence, std::string stanza = "x",
                                 std::vector<tambo::Holder> holders = {}) {
    return {.sequence = sequence,
            .time = tambo::Time{std::chrono::milliseconds{1'700'000'000'123}},
            .id = "id-" + std::to_string(sequence),
            .stanza = std::move(stanza),
            .origin = 0,
            .origin_number = 0,
            .holders = std::move(holders)};
}

inline std::vector<std::uint64_t> sequences(const std::vector<tambo::JournalEntry>& entries) {
    std::vector<std::uint64_t> found;
    found.reserve(entries.size());
    for (const auto& entry : entries) found.push_back(entry.sequence);
    return found;
}

}   // namespace store_files
