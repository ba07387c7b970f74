// The bot of `clients`, in discord.js: BASE GATEWAY TOKEN. It finds the gateway by itself.

import {
  ActionRowBuilder, ButtonBuilder, ButtonStyle, Client, DiscordAPIError, Events, GatewayIntentBits, MessageFlags,
  ModalBuilder, SlashCommandBuilder, StringSelectMenuBuilder, TextInputBuilder, TextInputStyle,
} from "discord.js";

const [base, , token] = process.argv.slice(2);
const intents = Object.values(GatewayIntentBits).filter((bit) => typeof bit === "number");
const client = new Client({ intents, rest: { api: `${base}/api` } });

const who = (option) => option.setName("who").setDescription("Whom").setRequired(true);
const commands = [
  new SlashCommandBuilder().setName("greet").setDescription("Says hello").addUserOption(who)
    .addIntegerOption((option) => option.setName("times").setDescription("How often")),
  new SlashCommandBuilder().setName("slow").setDescription("Takes its time"),
  new SlashCommandBuilder().setName("form").setDescription("Asks"),
  new SlashCommandBuilder().setName("pick").setDescription("Lets one choose"),
  new SlashCommandBuilder().setName("kick").setDescription("Removes somebody").addUserOption(who),
];
const row = (part) => new ActionRowBuilder().addComponents(part);

client.once(Events.ClientReady, async () => {
  const guild = client.guilds.cache.first();
  await guild.commands.set(commands);
  const channels = [...guild.channels.cache.values()].filter((channel) => channel.type === 0);
  channels.sort((one, other) => one.position - other.position);
  await channels[0].send(`ready in ${guild.name} with ${guild.memberCount} members`);
});

client.on(Events.MessageCreate, async (message) => {
  if (message.content === "!ping" && !message.author.bot) {
    const files = [{ attachment: Buffer.from("data"), name: "file.txt" }];
    await message.reply({ content: "Pong!", embeds: [{ title: "an embed" }], files });
  }
});

const answers = {
  async greet(interaction) {
    const times = interaction.options.getInteger("times") ?? 1;
    const press = new ButtonBuilder().setCustomId("press").setLabel("Press").setStyle(ButtonStyle.Primary);
    await interaction.reply({
      content: `hello ${interaction.options.getUser("who").username} x${times}`,
      components: [row(press)],
      flags: MessageFlags.Ephemeral,
    });
  },
  async slow(interaction) {
    await interaction.deferReply();
    await interaction.editReply("done thinking");
    await interaction.followUp("and more");
  },
  async form(interaction) {
    const name = new TextInputBuilder().setCustomId("name").setLabel("Name").setStyle(TextInputStyle.Short);
    await interaction.showModal(
      new ModalBuilder().setCustomId("form").setTitle("Who are you?").addComponents(row(name)),
    );
  },
  async pick(interaction) {
    const menu = new StringSelectMenuBuilder().setCustomId("pick")
      .addOptions({ label: "Red", value: "red" }, { label: "Blue", value: "blue" });
    await interaction.reply({ content: "which?", components: [row(menu)] });
  },
  async kick(interaction) {
    const member = interaction.options.getMember("who");
    try {
      await interaction.guild.members.kick(member.id, "noise");
      await interaction.reply(`kicked ${member.user.username}`);
    } catch (error) {
      if (!(error instanceof DiscordAPIError)) throw error;
      await interaction.reply(`refused: ${error.code}`);
    }
  },
};

client.on(Events.InteractionCreate, async (interaction) => {
  if (interaction.isChatInputCommand()) {
    await answers[interaction.commandName](interaction);
  } else if (interaction.isButton()) {
    await interaction.update({ content: `pressed by ${interaction.user.username}`, components: [] });
  } else if (interaction.isStringSelectMenu()) {
    await interaction.reply(`picked ${interaction.values[0]}`);
  } else if (interaction.isModalSubmit()) {
    await interaction.reply(`your name is ${interaction.fields.getTextInputValue("name")}`);
  }
});

// A line that is cut in the middle of a write is an error, and one without a listener would end the program.
client.on(Events.Error, (error) => console.error(`${error}`));

await client.login(token);
