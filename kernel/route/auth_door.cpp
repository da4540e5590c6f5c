#include "route/auth_door.hpp"

#include "module/instance.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

template <class T>
using Answer = std::shared_ptr<typename Later<Result<T>>::State>;

template <class T>
Task<void> pass_on(Task<Result<T>> asking, Answer<T> answer) {
    auto result = co_await std::move(asking);
    answer->complete(std::move(result));
}

/// Answers when it goes, if nobody has: the task was destroyed where it waited, or it threw.
template <class T>
std::shared_ptr<void> last_word(Answer<T> answer) {
    return {nullptr, [answer = std::move(answer)](void*) {
                if (!answer->value) answer->complete(fail(Condition::internal_server_error));
            }};
}

}   // namespace

template <class T, class Question>
Task<Result<T>> AuthDoor::ask(Question question) {
    if (shard_.auth == nullptr) co_return fail(Condition::service_unavailable, "no auth plugin is loaded");
    Later<Result<T>> answer;
    shard_.auth_owner->run(pass_on<T>(question(*shard_.auth), answer.state()),
                           [word = last_word<T>(answer.state())](bool) {});
    auto result = co_await std::move(answer);
    co_return result;
}

Task<Result<Credentials>> AuthDoor::look_up(Jid bare) {
    return ask<Credentials>([bare = std::move(bare)](AuthProvider& auth) { return auth.look_up(bare); });
}

Task<Result<bool>> AuthDoor::exists(Jid bare) {
    return ask<bool>([bare = std::move(bare)](AuthProvider& auth) { return auth.exists(bare); });
}

Task<Result<Nothing>> AuthDoor::set(Jid bare, Credentials credentials, bool only_new) {
    return ask<Nothing>([bare = std::move(bare), credentials = std::move(credentials), only_new](AuthProvider& auth) {
        return auth.set(bare, credentials, only_new);
    });
}

Task<Result<Nothing>> AuthDoor::remove(Jid bare) {
    return ask<Nothing>([bare = std::move(bare)](AuthProvider& auth) { return auth.remove(bare); });
}

Task<Result<std::vector<std::string>>> AuthDoor::accounts(std::string after, std::size_t limit) {
    return ask<std::vector<std::string>>(
        [after = std::move(after), limit](AuthProvider& auth) { return auth.accounts(after, limit); });
}

}   // namespace tambo
