using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Contracts;

namespace AiBackend.Tests.Workflows;

/// <summary>Which steps begin when.</summary>
public sealed class WorkflowPlanTests
{
    private const int Graphs = 500;

    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);

    [Fact]
    public void P_12_in_any_graph_each_step_is_begun_once_after_all_it_depends_on_and_the_run_ends()
    {
        for (var seed = 1; seed <= Graphs; seed++)
        {
            var random = new Random(seed);
            var definition = Graph(random);
            var (states, begun) = (new Dictionary<(string, int?), StepState>(), new List<(string, int?)>());
            var outputs = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
            NextSteps next;
            bool dies;
            var looks = 0;
            do
            {
                next = WorkflowPlan.Next(
                    definition,
                    Json("{\"list\":[1,2,3]}"),
                    states.Values,
                    outputs,
                    Now,
                    Guid.CreateVersion7,
                    Contract.Checker
                );
                Assert.All(next.Wanted, name => Assert.True(Ended(next.All, name), $"Seed {seed}: {name} is wanted and has not ended."));
                // As whoever looks: what is wanted is read, and nothing else.
                foreach (var name in next.Wanted)
                {
                    outputs[name] = Json("1");
                }

                Assert.InRange(++looks, 1, 1000);
                // Whoever looks dies before it has written anything down: the next one begins with what was there.
                dies = random.Next(5) == 0;
                if (dies)
                {
                    continue;
                }

                foreach (var state in next.Begun)
                {
                    Assert.False(states.ContainsKey((state.Name, state.Item)), $"Seed {seed}: {state.Name} began twice.");
                    begun.Add((state.Name, state.Item));
                    var step = definition.Steps!.Single(each => each.Name == state.Name);
                    Assert.All(
                        step.After ?? [],
                        need => Assert.True(Ended(next.All, need), $"Seed {seed}: {state.Name} began before {need} ended.")
                    );
                }

                foreach (var state in next.All)
                {
                    states[(state.Name, state.Item)] = state with { Output = null };
                }

                // Some of what is under way ends, well or not: jobs, people, timers and events.
                foreach (
                    var open in states.Values.Where(state => state.Status == StepStatus.Running && EndsByItself(definition, state)).ToList()
                )
                {
                    if (random.Next(3) > 0)
                    {
                        states[(open.Name, open.Item)] = open with
                        {
                            Status = random.Next(6) == 0 ? StepStatus.Failed : StepStatus.Succeeded,
                            HasOutput = random.Next(3) > 0,
                        };
                    }
                }
            } while (dies || !next.IsOver);

            Assert.Equal(begun.Distinct().Count(), begun.Count);
            Assert.True(
                next.Failure is not null || definition.Steps!.All(step => Ended(next.All, step.Name!)),
                $"Seed {seed}: not all ended."
            );
        }
    }

    [Fact]
    public void What_a_step_gave_is_put_where_others_want_it_and_never_looked_through_again()
    {
        var values = new WorkflowValues(
            Json("""{"name":"{{input.secret}}","list":[{"a":1}]}"""),
            new Dictionary<string, JsonElement>(StringComparer.Ordinal) { ["s"] = Json("""{"text":"{{input.name}}","n":3}""") }
        );

        long room = 100;
        Assert.Equal(
            "Hi {{input.secret}}, {{input.name}} 3 {\"a\":1}!",
            WorkflowTemplates.Text("Hi {{input.name}}, {{steps.s.text}} {{ steps.s.n }} {{input.list.0}}{{input.none}}!", values, ref room)
        );
        Assert.Equal(100 - 46, room);
        Assert.Equal(
            """{"n":3,"all":{"text":"{{input.name}}","n":3},"none":null,"text":"n is 3"}""",
            WorkflowTemplates
                .Json(
                    Json("""{"n":"{{steps.s.n}}","all":"{{steps.s}}","none":"{{steps.x}}","text":"n is {{steps.s.n}}"}"""),
                    values,
                    out _
                )!
                .Value.GetRawText()
        );
    }

    [Fact]
    public void A_branch_that_is_not_taken_is_skipped_to_where_it_joins_another()
    {
        var definition = Definition(
            """
            {"steps":[
              {"name":"kind","type":"transform","value":"{{input.kind}}"},
              {"name":"a","type":"transform","value":1,"when":{"value":"{{steps.kind}}","equal":"a"}},
              {"name":"a_more","type":"transform","value":2,"after":["a"]},
              {"name":"b","type":"transform","value":"was b","when":{"value":"{{steps.kind}}","not_equal":"a"}},
              {"name":"join","type":"transform","value":{"a":"{{steps.a_more}}","b":"{{steps.b}}"}}
            ]}
            """
        );

        var next = WorkflowPlan.Next(definition, Json("""{"kind":"b"}"""), [], Nothing, Now, Guid.CreateVersion7, Contract.Checker);

        Assert.True(next.IsOver);
        Assert.Equal(
            ["a", "a_more"],
            next.All.Where(state => state.Status == StepStatus.Skipped).Select(state => state.Name).Order(StringComparer.Ordinal)
        );
        Assert.Equal("""{"a":null,"b":"was b"}""", next.All.Single(state => state.Name == "join").Output!.Value.GetRawText());
    }

    [Fact]
    public void A_map_has_only_so_many_items_under_way_and_keeps_their_order()
    {
        var definition = Definition(
            """{"steps":[{"name":"m","type":"map","over":"{{input}}","concurrency":2,"on_failure":"skip","step":{"type":"chat","messages":[{"role":"user","content":"{{item}}"}]}}]}"""
        );
        var states = new Dictionary<(string, int?), StepState>();
        NextSteps next;
        do
        {
            next = WorkflowPlan.Next(
                definition,
                Json("[10,20,30,40,50]"),
                states.Values,
                Nothing,
                Now,
                Guid.CreateVersion7,
                Contract.Checker
            );
            foreach (var state in next.All)
            {
                states[(state.Name, state.Item)] = state;
            }

            var open = states.Values.Where(state => state is { Item: not null, Status: StepStatus.Running }).ToList();
            Assert.InRange(open.Count, 0, 2);
            open.ForEach(state =>
                states[(state.Name, state.Item)] = state with
                {
                    Status = state.Item == 2 ? StepStatus.Failed : StepStatus.Succeeded,
                    Error = state.Item == 2 ? "no" : null,
                }
            );
        } while (!next.IsOver);

        var map = next.All.Single(state => state is { Name: "m", Item: null });
        Assert.Equal((StepStatus.Succeeded, true, "2: no"), (map.Status, map.HasOutput, map.Error));
    }

    [Fact]
    public void A_map_whose_last_item_fails_fails_like_one_whose_first_does()
    {
        var definition = Definition(
            """{"steps":[{"name":"m","type":"map","over":"{{input}}","step":{"type":"chat","messages":[{"role":"user","content":"{{item}}"}]}}]}"""
        );
        StepState[] states =
        [
            new("m", null, StepStatus.Running),
            new("m", 0, StepStatus.Succeeded),
            new StepState("m", 1, StepStatus.Running).Failed("no"),
        ];

        var next = WorkflowPlan.Next(definition, Json("[1,2]"), states, Nothing, Now, Guid.CreateVersion7, Contract.Checker);

        Assert.Equal("Item 1 failed: no", next.Failure?.Error);
    }

    [Fact]
    public void Only_what_the_next_steps_take_is_wanted()
    {
        var definition = Definition(
            """
            {"steps":[
              {"name":"big","type":"event"},
              {"name":"small","type":"event"},
              {"name":"out","type":"transform","value":"{{steps.small}}","after":["big"]}
            ]}
            """
        );
        StepState[] states =
        [
            new("big", null, StepStatus.Succeeded) { HasOutput = true },
            new("small", null, StepStatus.Succeeded) { HasOutput = true },
        ];

        var first = WorkflowPlan.Next(definition, null, states, Nothing, Now, Guid.CreateVersion7, Contract.Checker);
        var second = WorkflowPlan.Next(definition, null, states, Values("small", "1"), Now, Guid.CreateVersion7, Contract.Checker);

        Assert.Equal("small", Assert.Single(first.Wanted));
        Assert.False(first.IsOver);
        Assert.Equal((true, "1"), (second.IsOver, second.All.Single(state => state.Name == "out").Output?.GetRawText()));
    }

    private static bool Ended(IReadOnlyList<StepState> states, string name) =>
        states.Any(state => state.Name == name && state.Item is null && state.Status != StepStatus.Running);

    /// <summary>Steps of every kind, each behind some of those before it.</summary>
    /// <summary>A map ends with its items.</summary>
    private static bool EndsByItself(WorkflowDefinition definition, StepState state) =>
        state.JobId is not null || definition.Steps!.Single(step => step.Name == state.Name).Type is StepTypes.Timer or StepTypes.Event;

    private static WorkflowDefinition Graph(Random random)
    {
        var steps = new List<WorkflowStep>();
        for (var i = 0; i < random.Next(1, 12); i++)
        {
            var before = steps.Where(_ => random.Next(3) == 0).Select(step => step.Name!).ToList();
            steps.Add(
                new WorkflowStep
                {
                    Name = $"s{i}",
                    Type = random.Next(8) switch
                    {
                        0 => StepTypes.Transform,
                        1 => StepTypes.Map,
                        2 => StepTypes.Review,
                        3 => StepTypes.Timer,
                        4 => StepTypes.Event,
                        _ => StepTypes.Chat,
                    },
                    Seconds = 5,
                    After = before,
                    Value = Json("1"),
                    Over = "{{input.list}}",
                    Concurrency = random.Next(1, 4),
                    OnFailure = random.Next(2) == 0 ? "skip" : null,
                    When =
                        before.Count > 0 && random.Next(4) == 0
                            ? new StepCondition { Value = $$$"""{{steps.{{{before[0]}}}}}""", Equal = Json("1") }
                            : null,
                }
            );
        }

        // In any order: it is what they depend on that counts.
        return new WorkflowDefinition { Steps = [.. steps.OrderBy(_ => random.Next())] };
    }

    private static Dictionary<string, JsonElement> Nothing => [];

    private static Dictionary<string, JsonElement> Values(string name, string json) => new(StringComparer.Ordinal) { [name] = Json(json) };

    private static WorkflowDefinition Definition(string json) => JsonSerializer.Deserialize(json, WireJson.Default.WorkflowDefinition)!;

    private static JsonElement Json(string json) => JsonDocument.Parse(json).RootElement;
}
