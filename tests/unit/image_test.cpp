// What Image lets in, what it refuses and with which words, and that the code is really gone afterwards.
#include "module/image.hpp"

#include <cstring>
#include <elf.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;
using tambo::Image;

constexpr auto villains = TAMBO_BINARY_DIR "/villains/";

/// A temporary folder for one test, with the run directory inside.
class Images : public testing::Test {
protected:
    Images() {
        auto name = (fs::temp_directory_path() / "tambo-image-XXXXXX").string();
        folder_ = fs::canonical(::mkdtemp(name.data()));
    }
    ~Images() override { fs::remove_all(folder_); }

    fs::path run_dir() const { return folder_ / "run"; }
    tambo::Result<std::shared_ptr<Image>> open(const fs::path& built) const { return Image::open(built, run_dir()); }

    std::string refusal(const fs::path& built) const {
        const auto image = open(built);
        if (image) return "(it was let in)";
        EXPECT_TRUE(image.error().text.starts_with(built.string() + ' ')) << "names the file: " << image.error().text;
        EXPECT_EQ(image.error().text.find('\n'), std::string::npos) << "one sentence: " << image.error().text;
        EXPECT_TRUE(!fs::exists(run_dir()) || fs::is_empty(run_dir())) << "a refused copy stays behind";
        return image.error().text;
    }

    fs::path write(const std::string& name, const std::string& bytes) const {
        std::ofstream{folder_ / name, std::ios::binary} << bytes;
        return folder_ / name;
    }
    static std::string read(const fs::path& file) {
        std::ifstream in{file, std::ios::binary};
        return {std::istreambuf_iterator<char>{in}, {}};
    }

    fs::path folder_;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(Images, maps_a_private_copy_and_reads_its_descriptor) {
    const auto image = open(std::string{villains} + "harmless.so");
    ASSERT_TRUE(image) << image.error().text;
    EXPECT_STREQ((*image)->descriptor().name, "harmless");
    EXPECT_EQ((*image)->descriptor().state_version, 7U);
    EXPECT_EQ((*image)->copy().parent_path(), run_dir());
    EXPECT_TRUE(Image::mapped((*image)->copy()));
    EXPECT_FALSE(Image::mapped((*image)->built())) << "the build output itself must never be mapped";
}

TEST_F(Images, is_gone_from_memory_and_disk_with_its_last_lease) {
    auto image = open(std::string{villains} + "harmless.so");
    ASSERT_TRUE(image) << image.error().text;
    const auto copy = (*image)->copy();
    auto lease = *image;
    *image = nullptr;
    EXPECT_TRUE(Image::mapped(copy)) << "a lease is out";
    lease = nullptr;
    EXPECT_FALSE(Image::mapped(copy));
    EXPECT_FALSE(fs::exists(copy));
}

TEST_F(Images, keeps_two_generations_of_one_file_apart) {
    const auto first = open(std::string{villains} + "harmless.so");
    const auto second = open(std::string{villains} + "harmless.so");
    ASSERT_TRUE(first && second);
    EXPECT_LT((*first)->generation(), (*second)->generation());
    EXPECT_NE((*first)->copy(), (*second)->copy());
    EXPECT_NE(&(*first)->descriptor(), &(*second)->descriptor()) << "the old image came back";
}

TEST_F(Images, survives_the_build_output_being_overwritten_in_place) {
    const auto built = folder_ / "module.so";
    fs::copy_file(std::string{villains} + "harmless.so", built);
    const auto image = open(built);
    ASSERT_TRUE(image) << image.error().text;
    std::ofstream{built, std::ios::trunc} << "half a link";
    EXPECT_STREQ((*image)->descriptor().version, "1.0");
}

TEST_F(Images, refuses_a_file_that_ends_anywhere_too_early) {
    const auto whole = read(std::string{villains} + "harmless.so");
    ASSERT_GT(whole.size(), sizeof(Elf64_Ehdr));
    for (std::size_t cut = 0; cut < whole.size(); cut += cut < 512 ? 1 : 97) {
        const auto file = write("cut.so", whole.substr(0, cut));
        EXPECT_NE(tambo::elf_complaint(file), "") << "cut at " << cut << " of " << whole.size();
    }
    EXPECT_NE(tambo::elf_complaint(write("cut.so", whole.substr(0, whole.size() - 1))), "");
    EXPECT_EQ(tambo::elf_complaint(write("whole.so", whole)), "");
    EXPECT_TRUE(has(refusal(write("half.so", whole.substr(0, whole.size() / 2))), "cut short"));
}

TEST_F(Images, survives_any_single_byte_of_the_headers_being_wrong) {
    const auto whole = read(std::string{villains} + "harmless.so");
    for (std::size_t at = 0; at < 1024; ++at) {
        for (const char flip : {'\x01', '\x80', '\xff'}) {
            auto bent = whole;
            bent[at] = static_cast<char>(bent[at] ^ flip);
            const auto file = write("bent.so", bent);
            (void)tambo::elf_complaint(file);   // any answer will do, as long as there is one
            (void)tambo::pinning_complaint(file);
        }
    }
}

TEST_F(Images, refuses_what_is_not_for_this_machine) {
    auto bytes = read(std::string{villains} + "harmless.so");
    Elf64_Ehdr header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    header.e_machine = EM_AARCH64;
    std::memcpy(bytes.data(), &header, sizeof header);
    EXPECT_TRUE(has(refusal(write("arm.so", bytes)), "another machine"));
    bytes[EI_CLASS] = ELFCLASS32;
    EXPECT_TRUE(has(refusal(write("small.so", bytes)), "64-bit"));
}

TEST_F(Images, refuses_what_is_no_shared_object) {
    EXPECT_TRUE(has(refusal(write("text.so", "This is not a module, it is a sentence, and rather a long one at that.")),
                    "not an ELF file"));
    EXPECT_TRUE(has(refusal(write("empty.so", "")), "not an ELF file"));
    EXPECT_TRUE(has(refusal(folder_ / "absent.so"), "does not exist"));
    fs::create_directory(folder_ / "folder.so");
    EXPECT_TRUE(has(refusal(folder_ / "folder.so"), "is not a file"));
    EXPECT_TRUE(has(refusal("/dev/zero"), "is not a file"));
}

TEST_F(Images, refuses_another_tambo_and_says_both_tags) {
    const auto why = refusal(std::string{villains} + "wrong_abi.so");
    EXPECT_TRUE(has(why, "tambo-0 tcc-0.9 cxx98")) << why;
    EXPECT_TRUE(has(why, TAMBO_ABI_TAG)) << why;
}

TEST_F(Images, refuses_what_does_not_describe_itself) {
    EXPECT_TRUE(has(refusal(std::string{villains} + "no_entry.so"), "no tambo_module()"));
    EXPECT_TRUE(has(refusal(std::string{villains} + "incomplete.so"), "incomplete descriptor"));
}

TEST_F(Images, refuses_undefined_symbols_when_loading_and_not_later) {
    const auto why = refusal(std::string{villains} + "missing_symbol.so");
    EXPECT_TRUE(has(why, "nobody_wrote_this")) << why;
    EXPECT_FALSE(has(why, run_dir().string())) << "speaks of a file that the operator never saw: " << why;
}

TEST_F(Images, refuses_what_would_pin_itself) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "sanitizers bring such symbols along, so the check is off";
#endif
    EXPECT_TRUE(has(refusal(std::string{villains} + "unique_pinned.so"), "unique symbol"));
    EXPECT_TRUE(has(refusal(std::string{villains} + "thread_pinned.so"), "thread_local"));
}

}   // namespace
