using System.Text.Json;
using System.Text.Json.Nodes;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Contracts;

namespace AiBackend.Tests.Workflows;

/// <summary>Random graphs with tools that fail and are tried again, looks that are lost, and runs that go on from earlier ones, held against the graph evaluated directly.</summary>
public sealed class WorkflowGraphTests
{
    private const int Graphs = 400;
    private const int MaxAttempts = 3;

    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);

    private static Dictionary<string, JsonNode?> Nothing => new(StringComparer.Ordinal);

    [Fact]
    public void P_12_a_run_and_what_goes_on_from_it_give_what_the_graph_gives_and_do_no_completed_step_again()
    {
        var (ended, failed, again) = (0, 0, 0);
        for (var seed = 1; seed <= Graphs; seed++)
        {
            var random = new Random(seed);
            var definition = RandomGraph.Of(random);
            var input = JsonNode.Parse(
                $$"""{"list":[{{string.Join(',', Enumerable.Range(0, random.Next(4)))}}],"n":{{random.Next(1000)}} }"""
            )!;
            var first = new Execution(seed, 0, definition, input, random, []);
            first.Run();
            AssertSame($"Seed {seed}", first, new GraphValues(definition, input, first.Fails, Nothing));

            // Everything that is not of the step chosen, and succeeded, is taken over.
            var from = definition.Steps![random.Next(definition.Steps.Count)].Name!;
            var kept = Rerun.Kept(definition, Rerun.From(definition, from), [], first.States.Values);
            var changed = random.Next(2) == 0 ? input : JsonNode.Parse("""{"list":[7],"n":3}""")!;
            var second = new Execution(seed, 1, definition, changed, random, first.TakenOver(kept));
            second.Run();
            AssertSame(
                $"Seed {seed}, again from {from}",
                second,
                new GraphValues(
                    definition,
                    changed,
                    second.Fails,
                    kept.ToDictionary(name => name, name => first.ValueOf(name), StringComparer.Ordinal)
                )
            );
            Assert.Empty(second.Done.Select(done => done.Name).Intersect(kept, StringComparer.Ordinal));
            Assert.DoesNotContain(from, kept);
            ended += first.HasFailed ? 0 : 1;
            failed += first.HasFailed ? 1 : 0;
            again += kept.Count > 0 ? 1 : 0;
        }

        // A check that meets only one kind of run checks little.
        Assert.True(
            ended > Graphs / 5 && failed > Graphs / 10 && again > Graphs / 5,
            $"{ended} ended, {failed} failed, {again} kept something"
        );
    }

    private static void AssertSame(string what, Execution run, GraphValues right)
    {
        var values = right.All();
        Assert.True(run.HasFailed == values.Values.Any(value => value.FailsTheRun), $"{what}: failed is {run.HasFailed}.");
        // One that failed has not done everything that it might have; what it did is right all the same.
        foreach (var state in run.States.Values.Where(state => state.Item is null && state.Status != StepStatus.Running))
        {
            var value = values[state.Name];
            Assert.True(
                state.Status == value.Status,
                $"{what}: {state.Name} is {state.Status}, and would be {value.Status}. {state.Error}"
            );
            Assert.True(
                JsonNode.DeepEquals(run.ValueOf(state.Name), value.Value),
                $"{what}: {state.Name} gave {run.ValueOf(state.Name)}, and would give {value.Value}."
            );
        }

        Assert.True(
            run.HasFailed || values.Keys.All(name => run.States[(name, null)].Status != StepStatus.Running),
            $"{what}: not all ended."
        );
        var twice = run.Done.CountBy(done => done).Where(done => done.Value > 1).Select(done => done.Key).ToList();
        Assert.True(twice.Count == 0, $"{what}: done more than once: {string.Join(", ", twice)}.");
    }

    /// <summary>What tools give: a number that depends on all of their arguments, and a list to go over.</summary>
    internal static JsonNode Answer(string arguments)
    {
        var number = arguments.Aggregate(7, (sum, letter) => (sum * 31 + letter) % 1000);
        return JsonNode.Parse($$"""{"n":{{number}},"list":[{{string.Join(',', Enumerable.Range(number, number % 3))}}]}""")!;
    }

    /// <summary>A run as workers carry it out, each look of which may be lost.</summary>
    private sealed class Execution(
        int seed,
        int run,
        WorkflowDefinition definition,
        JsonNode input,
        Random random,
        Dictionary<(string, int?), (StepState State, JsonNode? Value)> taken
    )
    {
        private readonly Dictionary<(string, int?), JsonNode?> _values = taken.ToDictionary(each => each.Key, each => each.Value.Value);
        private readonly Dictionary<Guid, int> _tries = [];

        public Dictionary<(string Name, int? Item), StepState> States { get; } =
            taken.ToDictionary(each => each.Key, each => each.Value.State);

        /// <summary>Jobs that came to their end.</summary>
        public List<(string Name, int? Item)> Done { get; } = [];

        public bool HasFailed { get; private set; }

        /// <summary>How often a tool fails before it answers: most never, some for good.</summary>
        public int Fails(string name, int? item) =>
            new Random(HashCode(name, item)).Next(8) switch
            {
                0 => MaxAttempts,
                1 => 1,
                2 => 2,
                _ => 0,
            };

        public void Run()
        {
            var (inHand, looks) = (new Dictionary<string, JsonElement>(StringComparer.Ordinal), 0);
            while (true)
            {
                Assert.InRange(++looks, 1, 2000);
                var next = WorkflowPlan.Next(
                    definition,
                    Element(input),
                    [.. States.Values],
                    inHand,
                    Now,
                    Guid.CreateVersion7,
                    Contract.Checker
                );
                if (random.Next(5) == 0)
                {
                    // Whoever looked is dead; what it had read is forgotten too.
                    inHand = new(StringComparer.Ordinal);
                    continue;
                }

                foreach (var state in next.All)
                {
                    Keep(state);
                }

                if (next.IsOver)
                {
                    HasFailed = next.Failure is not null;
                    return;
                }

                inHand = next.Wanted.ToDictionary(name => name, name => Element(ValueOf(name)), StringComparer.Ordinal);
                foreach (var open in States.Values.Where(state => state is { Status: StepStatus.Running, JobId: not null }).ToList())
                {
                    Work(open);
                }
            }
        }

        public JsonNode? ValueOf(string name) =>
            States[(name, null)] is not { Status: StepStatus.Succeeded } state ? null
            : state.Type == StepTypes.Map
                ? new JsonArray([
                    .. States
                        .Keys.Where(each => each.Name == name && each.Item is not null)
                        .OrderBy(each => each.Item)
                        .Select(each => _values.GetValueOrDefault(each)?.DeepClone()),
                ])
            : _values.GetValueOrDefault((name, null))?.DeepClone();

        public Dictionary<(string, int?), (StepState, JsonNode?)> TakenOver(IEnumerable<string> kept) =>
            States
                .Where(each => kept.Contains(each.Key.Name, StringComparer.Ordinal))
                .ToDictionary(each => ((string, int?))each.Key, each => (each.Value, _values.GetValueOrDefault(each.Key)?.DeepClone()));

        private void Keep(StepState state)
        {
            if (state.Output is { } given)
            {
                _values[(state.Name, state.Item)] = JsonNode.Parse(given.GetRawText());
            }

            States[(state.Name, state.Item)] = state with { Output = null };
        }

        /// <summary>One try of a step's job, some of which take longer than a look.</summary>
        private void Work(StepState open)
        {
            if (random.Next(3) == 0)
            {
                return;
            }

            var tries = _tries[open.JobId!.Value] = _tries.GetValueOrDefault(open.JobId.Value) + 1;
            var fails = Fails(open.Name, open.Item);
            if (tries <= fails && tries < MaxAttempts)
            {
                return;
            }

            Done.Add((open.Name, open.Item));
            Keep(tries <= fails ? open.Failed("no") : open.Gave(Element(Answer(ArgumentsOf(open)))));
        }

        /// <summary>As the run submits them, from what is stored.</summary>
        private string ArgumentsOf(StepState open)
        {
            var step = definition.Steps!.Single(each => each.Name == open.Name);
            var values = new WorkflowValues(
                Element(input),
                StepReferences
                    .Taken(step)
                    .Distinct(StringComparer.Ordinal)
                    .Where(name => ValueOf(name) is not null)
                    .ToDictionary(name => name, name => Element(ValueOf(name)), StringComparer.Ordinal)
            );
            if (open.Item is { } item)
            {
                values = values with { Item = (WorkflowTemplates.Value(step.Over!, values)!.Value[item], item) };
            }

            return ToolStepInput.Read(StepInput.Of(step.Step ?? step, values, out _)!.Json).Arguments.GetRawText();
        }

        private int HashCode(string name, int? item) =>
            name.Aggregate(seed * 31 + run * 7 + (item ?? -1), (sum, letter) => unchecked(sum * 31 + letter));

        private static JsonElement Element(JsonNode? node) => JsonElement.Parse(node?.ToJsonString() ?? "null");
    }
}
