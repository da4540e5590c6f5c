// An exception and an error category are code, too: their type says what they mean and how they die. Bad: they are
// given away. Good: their text is.
#include <tambo/tambo.hpp>

#include "foreign.hpp"

namespace {

class Spilt final : public std::exception {
public:
    const char* what() const noexcept override { return "the ink is spilt"; }
};

class Category final : public std::error_category {
public:
    const char* name() const noexcept override { return "ink"; }
    std::string message(int) const override { return "the ink is spilt"; }
};
[[maybe_unused]] const Category category;

class Errors final : public tambo::Module {
public:
    void wire(tambo::Wiring&) override {
#if defined(BAD) && defined(CODE)
        foreign::report(std::error_code{1, category});
#elif defined(BAD)
        foreign::report(std::make_exception_ptr(Spilt{}));
#else
        foreign::report(Spilt{}.what() + category.message(1));
#endif
    }
};

}   // namespace

TAMBO_MODULE(Errors, NAME, "1.0", 1)
